-- Accept all events of one callback: record, index and RQ job of each new one, or nothing at all.
-- KEYS: the index by time.
-- ARGV: prefix, retention (s), time (ms), time (RQ's text), raw body, headers, then for each event:
--       id, record, alike or '', job id, job data, queue, timeout.
-- Returns 1 for each new event and 0 for each that was known.
local prefix, retention, now_ms, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local raw_in = false
local answer = {}
for i = 7, #ARGV, 7 do
  local id, key = ARGV[i], prefix .. ':event:' .. ARGV[i]
  if redis.call('EXISTS', key) == 1 then
    redis.call('HINCRBY', key, 'resends', 1)
    answer[#answer + 1] = 0
  else
    redis.call('HSET', key, 'event', ARGV[i + 1])
    if raw_in then
      redis.call('HSET', key, 'raw_in', raw_in)
    else
      redis.call('HSET', key, 'raw', ARGV[5], 'headers', ARGV[6])
      raw_in = id
    end
    if ARGV[i + 2] ~= '' then
      local alike = prefix .. ':alike:' .. ARGV[i + 2]
      local earlier = redis.call('GET', alike)
      if earlier then redis.call('HSET', key, 'duplicate_of', earlier) end
      redis.call('SET', alike, id, 'EX', 120)
    end
    redis.call('EXPIRE', key, retention)
    redis.call('ZADD', KEYS[1], now_ms, id)
    enqueue({id = ARGV[i + 3], data = ARGV[i + 4], queue = ARGV[i + 5], timeout = ARGV[i + 6]},
      now, retention)
    answer[#answer + 1] = 1
  end
end
-- The index forgets what has expired, a little more than it learns.
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms - retention * 1000,
  'LIMIT', 0, math.min(#answer + 10, 1000))
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
return answer
