-- Note that a worker begins a claimed job: if it dies now, the job has cost it its life.
-- KEYS: the job. ARGV: the worker's name.
-- Returns data, signature and how many workers died of it; false where the job is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HSET', KEYS[1], 'status', 'started', 'worker_name', ARGV[1])
return redis.call('HMGET', KEYS[1], 'data', 'signature', 'deaths')
