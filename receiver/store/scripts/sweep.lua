-- Look after jobs of the ledger: keep their events from expiring, and queue what is lost again.
-- KEYS: the ledger, the set of claim lists.
-- ARGV: prefix, retention (s), time (RQ's text), then for each job:
--       its score in the ledger, the event's id, '1' if it was seen in its queue, and the job.
-- A job whose score has changed has been moved by somebody meanwhile: it is left alone.
-- Returns how many jobs were queued again, and how many had lost their event.
local PER_JOB = 10
local prefix, retention, now = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local claimed = {}
for _, claims in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  for _, id in ipairs(redis.call('LRANGE', claims, 0, -1)) do claimed[id] = true end
end

-- Tell whether a job waits behind another one of its lane, which is still there.
local function waits(job)
  if job.lane == '' or redis.call('HGET', 'rq:job:' .. job.id, 'status') ~= 'deferred' then
    return false
  end
  local first = first_in(job.lane, KEYS[1])
  if not first or first == job.id then return false end
  wake(job.lane, first, KEYS[1])
  is_first(job, true)
  return true
end

local lost, gone = 0, 0
for i = 4, #ARGV, PER_JOB do
  local job, record = job_at(i + 3), prefix .. ':event:' .. ARGV[i + 1]
  local score = redis.call('ZSCORE', KEYS[1], job.entry)
  if score and tonumber(score) == tonumber(ARGV[i]) then
    local left = redis.call('TTL', record)
    if left == -2 then
      gone = gone + 1
      redis.call('ZREM', KEYS[1], job.entry)
      leave(job.lane, job.id, KEYS[1])
      if redis.call('HGET', 'rq:job:' .. job.id, 'status') == 'deferred' then
        redis.call('DEL', 'rq:job:' .. job.id)
      end
    elseif ARGV[i + 2] == '1' or claimed[job.id]
        or redis.call('ZSCORE', 'rq:scheduled:' .. job.queue, job.id) or waits(job) then
      redis.call('ZADD', KEYS[1], now_ms(), job.entry)
    else
      lost = lost + 1
      redis.call('ZREM', 'rq:failed:' .. job.queue, job.id)
      redis.call('DEL', 'rq:job:' .. job.id)
      enqueue(job, now, retention, KEYS[1], true)
    end
    if left >= 0 and left < math.max(kept_for(record, retention), WAITS) / 2 then
      wait_on(record, retention)
    end
  end
end
return {lost, gone}
