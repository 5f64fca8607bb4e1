-- What the other scripts share: the time, a job out of their arguments, and putting it in a queue.
local clock
local function now_ms()
  if not clock then
    local time = redis.call('TIME')
    clock = time[1] * 1000 + time[2] / 1000  -- with its fraction: what comes within one has an order
  end
  return clock
end

-- Seconds. What waits for its handlers is there for a week at least, however short the retention is;
-- once one of them is done, for a day at least: others may wait, and the sweeper sees to those.
local WAITS, WAITS_STILL = 604800, 86400

local function kept_for(record, retention)
  return tonumber(redis.call('HGET', record, 'keep') or retention)
end

-- Have a record live on for a retention: its account's own, if it has one.
local function keep_on(record, retention)
  redis.call('EXPIRE', record, kept_for(record, retention))
end

-- Have a record live on while it waits for its handlers.
local function wait_on(record, retention)
  redis.call('EXPIRE', record, math.max(kept_for(record, retention), WAITS))
end

-- Have a record that waits no longer live for its retention, from when it came.
local function wait_no_more(record, retention)
  local kept = kept_for(record, retention)
  if kept >= WAITS then return end
  local prefix, id = string.match(record, '^(.*):event:(%x+)$')
  local came = prefix and redis.call('ZSCORE', prefix .. ':events', id)
  local left = came and kept - (now_ms() - came) / 1000 or 0
  redis.call('EXPIRE', record, math.floor(math.max(left, math.min(kept, WAITS_STILL))))
end

-- A job takes seven arguments: id, data, signature, queue, timeout, entry in the ledger, lane or ''.
local function job_at(i)
  return {id = ARGV[i], data = ARGV[i + 1], signature = ARGV[i + 2], queue = ARGV[i + 3],
    timeout = ARGV[i + 4], entry = ARGV[i + 5], lane = ARGV[i + 6]}
end

-- Make a job's entry in the ledger from its id, its queue and its signature, which begins with the
-- lane; nil where that cannot be. Where it comes out the same, it need not stand in the job.
local function entry_of(id, queue, signature)
  local prefix, name = string.match(queue or '', '^(.*)%-(%a+)$')
  if not prefix then return nil end
  local verb, event, handler = string.match(string.sub(id, #prefix + 2), '^(%a+)%-(%x+)(.*)$')
  if not verb or verb == 'chore' then return nil end
  handler = string.gsub(string.gsub(handler, '^%-', ' '), '%-([%w_]*)$', '.%1')
  local lane = string.match(signature or '', '^(%x+)%.')
  local kind = name == 'reports' and 'report' or 'message'
  return verb .. ' ' .. event .. ' ' .. kind .. handler .. (lane and ' lane=' .. lane or '')
end

-- The jobs of a lane are run in turn: only its first is queued, the others are deferred. A lane is a
-- list; but a job that is alone in it stands in a hash of all lanes, which takes little over half.
local function named(lane)
  return string.match(lane, '^(.*):lane:(.*)$')
end

local function alone(lane)
  local prefix, name = named(lane)
  return prefix .. ':lanes', name
end

local function head_of(lane)
  return redis.call('LINDEX', lane, 0) or redis.call('HGET', alone(lane))
end

local function drop(lane, id)
  if redis.call('LREM', lane, 1, id) == 0 and redis.call('HGET', alone(lane)) == id then
    redis.call('HDEL', alone(lane))
  end
end

-- Give a job its place in its lane, and tell whether it is the first there.
-- again: it may have one already.
local function is_first(job, again)
  if job.lane == '' then return true end
  local lanes, name = alone(job.lane)
  if redis.call('EXISTS', job.lane) == 0 then
    if redis.call('HSETNX', lanes, name, job.id) == 1 then return true end
    local other = redis.call('HGET', lanes, name)
    if other == job.id then return true end
    redis.call('RPUSH', job.lane, other)
    redis.call('HDEL', lanes, name)
  end
  if again and redis.call('LPOS', job.lane, job.id) then
    return redis.call('LINDEX', job.lane, 0) == job.id
  end
  return redis.call('RPUSH', job.lane, job.id) == 1
end

-- Write one RQ job and push it: what RQ's own Queue.enqueue writes, less what it may leave out. No
-- value is longer than 64 bytes, mostly: then Redis keeps the job in a third of the memory.
-- now is RQ's text of the time, at which the job is created and queued.
local function enqueue(job, now, _, ledger, again)
  local key, first = 'rq:job:' .. job.id, is_first(job, again)
  if again and redis.call('ZREM', 'rq:failed:' .. job.queue, job.id) == 1 then
    redis.call('DEL', key)  -- its dead letter, which expires
  end
  redis.call('HSET', key, 'data', job.data, 'signature', job.signature,
    'status', first and 'queued' or 'deferred', 'origin', job.queue, 'created_at', now,
    'timeout', job.timeout)
  if job.entry ~= '' then
    -- that of routing can always be made again
    if string.sub(job.entry, 1, 6) ~= 'route ' and
        job.entry ~= entry_of(job.id, job.queue, job.signature) then
      redis.call('HSET', key, 'entry', job.entry)
    end
    redis.call('ZADD', ledger, now_ms(), job.entry)
  end
  local queue = 'rq:queue:' .. job.queue
  if first and redis.call('RPUSH', queue, job.id) == 1 then
    redis.call('SADD', 'rq:queues', queue)  -- it was empty: it may be the first job ever
  end
end

-- Put a job that is there already back into a queue, at its head or its tail.
local function requeue(id, queue, push, ledger)
  local key = 'rq:job:' .. id
  if redis.call('EXISTS', key) == 0 then return 0 end
  redis.call('HSET', key, 'status', 'queued')
  redis.call(push, 'rq:queue:' .. queue, id)
  local found = redis.call('HMGET', key, 'entry', 'signature')
  local entry = found[1] or entry_of(id, queue, found[2]) or ''
  if entry ~= '' then redis.call('ZADD', ledger, 'XX', now_ms(), entry) end
  return 1
end

-- Make the entry of a job of a lane: they are all about messages.
local function entry_in(lane, id)
  local prefix, name = named(lane)
  return entry_of(id, prefix .. '-messages', name .. '.')
end

-- Tell whether the ledger has a job of a lane: one that it has is made again, whatever was lost.
local function is_open(lane, id, ledger)
  local entry = entry_in(lane, id)
  return entry and redis.call('ZSCORE', ledger, entry)
end

-- Give the first job of a lane, and drop what is before it and over: gone, or a dead letter.
local function first_in(lane, ledger)
  local first = head_of(lane)
  while first do
    local status = redis.call('HGET', 'rq:job:' .. first, 'status')
    if (status and status ~= 'failed') or is_open(lane, first, ledger) then return first end
    drop(lane, first)
    first = head_of(lane)
  end
end

-- Queue the first job of a lane, if nobody has; it is on the ledger then, whoever took it off.
local function wake(lane, id, ledger)
  local found = redis.call('HMGET', 'rq:job:' .. id, 'status', 'origin', 'entry')
  if found[1] ~= 'deferred' then return end
  local entry = found[3] or entry_in(lane, id)
  if entry then redis.call('ZADD', ledger, now_ms(), entry) end
  requeue(id, found[2], 'RPUSH', ledger)
end

-- Give up a job's place in its lane, and queue the one behind it.
local function leave(lane, id, ledger)
  if lane == '' then return end
  drop(lane, id)
  local following = first_in(lane, ledger)
  if following then wake(lane, following, ledger) end
end
