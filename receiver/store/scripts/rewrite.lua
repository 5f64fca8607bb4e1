-- Replace what a record says of its event, where it is still there.
-- KEYS: the record. ARGV: the event.
-- What the body was packed with is kept: it is needed to unpack it.
-- Returns 1, or 0 where the record is gone.
local first = redis.call('HGET', KEYS[1], 'event')
if not first then return 0 end
redis.call('HSETNX', KEYS[1], 'packed_with', first)
redis.call('HSET', KEYS[1], 'event', ARGV[1])
return 1
