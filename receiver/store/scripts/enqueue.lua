-- Write one RQ job and push it: what RQ's own Queue.enqueue writes, less what it may leave out.
-- job = {id, data, queue, timeout}; now is RQ's text of the time, ttl is in seconds.
local function enqueue(job, now, ttl)
  redis.call('HSET', 'rq:job:' .. job.id,
    'data', job.data, 'status', 'queued', 'origin', job.queue, 'created_at', now,
    'enqueued_at', now, 'timeout', job.timeout, 'description', job.id,
    'failure_ttl', ttl, 'result_ttl', 0)
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. job.queue)
  redis.call('RPUSH', 'rq:queue:' .. job.queue, job.id)
end
