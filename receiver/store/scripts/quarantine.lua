-- Keep a body that could not be read, once however often it is resent.
-- KEYS: the record, the index by time. ARGV: id, retention (s), time (ms), account, provider,
-- reason, raw body, headers, received_at, trust, the longest retention of any account (s).
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'resends', 1)
  return 0
end
redis.call('HSET', KEYS[1], 'account', ARGV[4], 'provider', ARGV[5], 'reason', ARGV[6],
  'raw', ARGV[7], 'headers', ARGV[8], 'received_at', ARGV[9], 'trust', ARGV[10])
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now_ms() - ARGV[11] * 1000)
return 1
