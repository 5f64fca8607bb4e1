-- Add what one process counted in one minute to the totals and the series, once.
-- KEYS: the totals, the sets of labels that there are, the memory of the process.
-- ARGV: number of the batch, how long that is remembered (s), prefix of the series, time (s), how many
--       steps, and each with how long it is kept (s); then for each set of labels: kind, name, how many
--       sets that name may have, id, id of what is one too many, '1' if it is charted, how many parts,
--       and each with its amount.
-- A gauge has no total: of what several say of the same time the most counts.
-- Returns 1, and 0 for a batch that was counted before: the answer to it was lost.
local time, first = tonumber(ARGV[4]), 6 + 2 * tonumber(ARGV[5])
if redis.call('GET', KEYS[3]) == ARGV[1] then return 0 end
redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[2])

local function admitted(name, most, id, other)
  if redis.call('HEXISTS', KEYS[2], id) == 1 then return id end
  if tonumber(redis.call('HGET', KEYS[2], name) or 0) >= tonumber(most) then return other end
  redis.call('HSET', KEYS[2], id, '')
  redis.call('HINCRBY', KEYS[2], name, 1)
  return id
end

local function add(key, field, amount)
  local by = string.find(amount, '.', 1, true) and 'HINCRBYFLOAT' or 'HINCRBY'
  redis.call(by, key, field, amount)
end

local function raise(key, field, amount)
  local before = tonumber(redis.call('HGET', key, field) or -1)
  if tonumber(amount) > before then redis.call('HSET', key, field, amount) end
end

-- Give the keys of a name's series at this time; they last as long as they are read.
local function series(name)
  local keys = {}
  for i = 6, first - 1, 2 do
    local key = ARGV[3] .. ':' .. ARGV[i] .. ':' .. math.floor(time / ARGV[i]) .. ':' .. name
    keys[#keys + 1] = {key, ARGV[i + 1]}
  end
  return keys
end

local i = first
while ARGV[i] do
  local kind, name, parts = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 6])
  local id = admitted(name, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
  local charts = ARGV[i + 5] == '1' and series(name) or {}
  for p = i + 7, i + 5 + 2 * parts, 2 do
    local field, amount = id .. ARGV[p], ARGV[p + 1]
    if kind ~= 'gauge' then add(KEYS[1], field, amount) end
    for _, chart in ipairs(charts) do
      if kind == 'gauge' then raise(chart[1], field, amount) else add(chart[1], field, amount) end
    end
  end
  for _, chart in ipairs(charts) do redis.call('EXPIRE', chart[1], chart[2]) end
  i = i + 7 + 2 * parts
end
return 1
