-- Put a claimed poll off, as it stands now; what changed it meanwhile, such as a number that was
-- forgotten, is left as it is.
-- KEYS: the poll, the polls by due time. ARGV: id, due (s), the poll as it was read, the poll now.
local found = redis.call('GET', KEYS[1])
if found == ARGV[3] then redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL') end
redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
return found and 1 or 0
