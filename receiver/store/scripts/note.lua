-- Write a field of an event's record, and queue jobs that follow from it, once.
-- KEYS: the record. ARGV: field, value, 'once' or 'always', time (RQ's text), retention,
-- then for each job: guard field or '', guard value, job id, data, queue, timeout.
-- A job with a guard field is queued only if that field was not there yet.
-- Returns 1 if the field was written; 0 if the record is gone, or the field was there.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[3] == 'once' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for i = 6, #ARGV, 6 do
  if ARGV[i] == '' or redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    enqueue({id = ARGV[i + 2], data = ARGV[i + 3], queue = ARGV[i + 4], timeout = ARGV[i + 5]},
      ARGV[4], ARGV[5])
  end
end
return 1
