-- Write a field of an event's record, and queue jobs that follow from it, once.
-- KEYS: the record, the ledger. ARGV: field, value, mode, before, time (RQ's text), retention,
-- then for each job: guard field or '', guard value, and the job.
-- mode: 'always'; 'once', if the field is not there yet; 'after', if it still says what it said
-- before ('' where it was not there).
-- A job with a guard field is queued only if that field was not there yet.
-- Returns 1 if the field was written; 0 if the record is gone, or forgotten; -1 if the mode forbade it.
local JOBS_FROM, PER_JOB = 7, 9
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local found = redis.call('HMGET', KEYS[1], ARGV[1], 'forgotten')
if found[2] then return 0 end
local before = found[1] or ''
if ARGV[3] == 'once' and before ~= '' then return -1 end
-- It may say so already: the answer to the first writing was lost.
if ARGV[3] == 'after' and before ~= ARGV[4] then return before == ARGV[2] and 1 or -1 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
for i = JOBS_FROM, #ARGV, PER_JOB do
  if ARGV[i] == '' or redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then
    enqueue(job_at(i + 2), ARGV[5], ARGV[6], KEYS[2], true)
  end
end
return 1
