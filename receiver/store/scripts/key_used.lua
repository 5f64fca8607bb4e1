-- Note that an issued key was used, and give all that are to be refused before they expire.
-- KEYS: the ended keys, the key's record. ARGV: the key's id, the time now in seconds.
-- Returns ids and the seconds from which each is refused, in turn.
local ends_at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if (not ends_at or tonumber(ends_at) > tonumber(ARGV[2])) and redis.call('EXISTS', KEYS[2]) == 1 then
  -- a Redis that cannot write still says which keys were revoked
  redis.pcall('HSET', KEYS[2], 'last_used_at', ARGV[2])
end
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
