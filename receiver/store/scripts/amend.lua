-- Change fields of a hash, if it still is what was read: nothing is written over, nothing missed.
-- KEYS: the hash. ARGV: how many fields it had or '' for any number, then for each that changes:
-- field, value before, value after ('' for none).
-- Returns 1; 0 if the hash is gone; -1 if it has changed.
local PER_FIELD = 3
local length = redis.call('HLEN', KEYS[1])
if length == 0 then return 0 end
if ARGV[1] ~= '' and length ~= tonumber(ARGV[1]) then return -1 end
for i = 2, #ARGV, PER_FIELD do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return -1 end
end
for i = 2, #ARGV, PER_FIELD do
  if ARGV[i + 2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end
return 1
