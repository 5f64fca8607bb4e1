-- Queue a chore, unless it is queued or being done.
-- KEYS: its lock. ARGV: how long the lock holds (s), time (RQ's text), and the job.
-- Returns 1 if it was queued.
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return 0 end
enqueue(job_at(3), ARGV[2], ARGV[1], '')
return 1
