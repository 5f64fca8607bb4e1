-- Queue a job that follows from an operator's word, and mark the record, in one step.
-- KEYS: the record, the ledger.
-- ARGV: time (RQ's text), retention (s), RQ's failed registry or '', the dead letter's id or '',
--       how many fields, then for each: name, value before, value after ('' for none); the jobs.
-- Returns 1; 0 if the record is gone, or forgotten; -1 if it, or the dead letter, is no longer what was seen.
local FIELDS_FROM, PER_FIELD, PER_JOB = 6, 3, 7
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'forgotten') == 1 then
  return 0
end
if ARGV[3] ~= '' and not redis.call('ZSCORE', ARGV[3], ARGV[4]) then return -1 end
local jobs_from = FIELDS_FROM + ARGV[5] * PER_FIELD
for i = jobs_from, #ARGV, PER_JOB do
  local status = redis.call('HGET', 'rq:job:' .. ARGV[i], 'status')
  if status and status ~= 'failed' then return -1 end  -- it waits, or is at work
end
for i = FIELDS_FROM, jobs_from - 1, PER_FIELD do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') ~= ARGV[i + 1] then return -1 end
end
for i = FIELDS_FROM, jobs_from - 1, PER_FIELD do
  if ARGV[i + 2] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  end
end
if ARGV[3] ~= '' then
  redis.call('ZREM', ARGV[3], ARGV[4])
  redis.call('DEL', 'rq:job:' .. ARGV[4])
end
wait_on(KEYS[1], ARGV[2])
for i = jobs_from, #ARGV, PER_JOB do
  redis.call('DEL', 'rq:job:' .. ARGV[i])
  enqueue(job_at(i), ARGV[1], ARGV[2], KEYS[2], true)
end
return 1
