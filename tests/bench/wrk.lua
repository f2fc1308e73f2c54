-- SPDX-License-Identifier: MIT
-- The requests that wrk sends: `wrk … -- WORKLOAD MESSAGES [SEED [close]]`, where WORKLOAD
-- is one of those below, the table holds the messages 1 to MESSAGES, SEED makes one run
-- differ from another, and `close` asks for a connection a request. The texts are made
-- beforehand but for their random parts, so that making them costs little.

local senders = {}
for number = 0, 99 do
  senders[number] = string.format("sender-%02d", number)
end

-- pieces(TEXT): what stands before, between and behind the marks in it: each is some @.
local function pieces(text)
  local found, from = {}, 1
  repeat
    local first, last = text:find("@+", from)
    found[#found + 1] = text:sub(from, (first or 0) - 1)
    from = (last or 0) + 1
  until not first
  return found
end

local function post(length)
  -- 14 digits tell the contents apart, and letters fill them up. A mark is as long as
  -- what takes its place, since wrk counts the body's bytes.
  local content = string.rep("@", 14) .. string.rep("x", length - 14)
  local sender = string.rep("@", #senders[0])
  local body = '{"From":"' .. sender .. '","Content":"' .. content .. '"}'
  wrk.headers["Content-Type"] = "application/json"
  local text = pieces(wrk.format("POST", "/api/message", nil, body))
  wrk.headers["Content-Type"] = nil
  wrk.headers["Content-Length"] = nil
  return function()
    return text[1] .. senders[math.random(0, 99)] .. text[2] .. math.random(1000000, 9999999)
      .. math.random(1000000, 9999999) .. text[3]
  end
end

local function get(messages)
  local text = pieces(wrk.format("GET", "/api/message?ID=@"))
  return function()
    return text[1] .. math.random(messages) .. text[2]
  end
end

local function page(messages)
  local text = pieces(wrk.format("GET", "/api/message?From=@&after=@&limit=100"))
  -- As far as there are 100 more of each sender, if the table is large enough.
  local last = math.max(messages - 10000, 0)
  return function()
    return text[1] .. senders[math.random(0, 99)] .. text[2] .. math.random(0, last) .. text[3]
  end
end

local workloads = { get = get, page = page }

-- Always the same text, which wrk sends without asking for it.
function workloads.test()
  wrk.path = "/api/test"
end

function workloads.post()
  return post(100)
end

workloads["post-4k"] = function()
  return post(4096)
end

function workloads.mixed(messages)
  local write, read = post(100), get(messages)
  return function()
    if math.random(10) == 1 then
      return write()
    end
    return read()
  end
end

function init(arguments)
  math.randomseed(tonumber(arguments[3] or "1"))
  if arguments[4] == "close" then
    wrk.headers["Connection"] = "close"
  end
  request = workloads[arguments[1]](tonumber(arguments[2]))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'result {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
