-- Replace what a record says of its event, where it is still there.
-- KEYS: the record. ARGV: the event.
-- Returns 1, or 0 where the record is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'event', ARGV[1])
return 1
