-- Give the claimed jobs that a living worker has not begun back to their queue, ahead of the others.
-- KEYS: its claim list, the ledger. ARGV: the queue's name.
local begun = {}
local id = redis.call('RPOP', KEYS[1])
while id do
  if redis.call('HGET', 'rq:job:' .. id, 'status') == 'started' then
    begun[#begun + 1] = id
  else
    requeue(id, ARGV[1], 'LPUSH', KEYS[2])
  end
  id = redis.call('RPOP', KEYS[1])
end
for _, started in ipairs(begun) do redis.call('LPUSH', KEYS[1], started) end
