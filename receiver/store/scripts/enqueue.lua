-- What the other scripts share: the time, a job out of their arguments, and putting it in a queue.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A job takes seven arguments: id, data, signature, queue, timeout, entry in the ledger, lane or ''.
local function job_at(i)
  return {id = ARGV[i], data = ARGV[i + 1], signature = ARGV[i + 2], queue = ARGV[i + 3],
    timeout = ARGV[i + 4], entry = ARGV[i + 5], lane = ARGV[i + 6]}
end

-- A lane is a list of jobs that are run in turn: only its first is queued, the others are deferred.
-- again: the job may have a place there already.
local function is_first(job, again)
  if job.lane == '' then return true end
  if not (again and redis.call('LPOS', job.lane, job.id)) then
    redis.call('RPUSH', job.lane, job.id)
  end
  return redis.call('LINDEX', job.lane, 0) == job.id
end

-- Write one RQ job and push it: what RQ's own Queue.enqueue writes, less what it may leave out.
-- now is RQ's text of the time, ttl is in seconds.
local function enqueue(job, now, ttl, ledger, again)
  local first = is_first(job, again)
  if again and redis.call('ZREM', 'rq:failed:' .. job.queue, job.id) == 1 then
    redis.call('DEL', 'rq:job:' .. job.id)  -- its dead letter, which expires
  end
  redis.call('HSET', 'rq:job:' .. job.id,
    'data', job.data, 'signature', job.signature, 'entry', job.entry,
    'status', first and 'queued' or 'deferred', 'origin', job.queue, 'created_at', now,
    'enqueued_at', now, 'timeout', job.timeout, 'description', job.id,
    'failure_ttl', ttl, 'result_ttl', 0)
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. job.queue)
  if first then redis.call('RPUSH', 'rq:queue:' .. job.queue, job.id) end
  if job.entry ~= '' then redis.call('ZADD', ledger, now_ms(), job.entry) end
end

-- Put a job that is there already back into a queue, at its head or its tail.
local function requeue(id, queue, push, ledger)
  local key = 'rq:job:' .. id
  if redis.call('EXISTS', key) == 0 then return 0 end
  redis.call('HSET', key, 'status', 'queued')
  redis.call(push, 'rq:queue:' .. queue, id)
  local entry = redis.call('HGET', key, 'entry')
  if entry and entry ~= '' then redis.call('ZADD', ledger, 'XX', now_ms(), entry) end
  return 1
end

-- Tell whether the ledger has a job of a lane: one that it has is made again, whatever was lost.
local function is_open(lane, id, ledger)
  local prefix, name = string.match(lane, '^(.*):lane:(.*)$')
  local verb, event, handler = string.match(string.sub(id, #prefix + 2), '^(%a+)%-(%x+)(.*)$')
  if not verb then return false end
  handler = string.gsub(string.gsub(handler, '^%-', ' '), '%-([%w_]*)$', '.%1')
  local entry = verb .. ' ' .. event .. ' message' .. handler .. ' lane=' .. name
  return redis.call('ZSCORE', ledger, entry)
end

-- Give the first job of a lane, and drop what is before it and over: gone, or a dead letter.
local function first_in(lane, ledger)
  local first = redis.call('LINDEX', lane, 0)
  while first do
    local status = redis.call('HGET', 'rq:job:' .. first, 'status')
    if (status and status ~= 'failed') or is_open(lane, first, ledger) then return first end
    redis.call('LPOP', lane)
    first = redis.call('LINDEX', lane, 0)
  end
end

-- Queue the first job of a lane, if nobody has; it is on the ledger then, whoever took it off.
local function wake(id, ledger)
  local found = redis.call('HMGET', 'rq:job:' .. id, 'status', 'origin', 'entry')
  if found[1] ~= 'deferred' then return end
  if found[3] and found[3] ~= '' then redis.call('ZADD', ledger, now_ms(), found[3]) end
  requeue(id, found[2], 'RPUSH', ledger)
end

-- Give up a job's place in its lane, and queue the one behind it.
local function leave(lane, id, ledger)
  if lane == '' then return end
  redis.call('LREM', lane, 1, id)
  local following = first_in(lane, ledger)
  if following then wake(following, ledger) end
end
