-- SPDX-License-Identifier: MIT
-- The requests that wrk sends: `wrk … -- WORKLOAD MESSAGES`, where WORKLOAD is test,
-- post or get, and the table holds at least MESSAGES messages.

local body = '{"From":"bench","Content":"' .. string.rep("x", 100) .. '"}'
local workloads = {}

function workloads.test()
  return wrk.format("GET", "/api/test")
end

function workloads.post()
  return wrk.format("POST", "/api/message", { ["Content-Type"] = "application/json" }, body)
end

function workloads.get(messages)
  return wrk.format("GET", "/api/message?ID=" .. math.random(messages))
end

function init(arguments)
  local choose = workloads[arguments[1]]
  local messages = tonumber(arguments[2])
  request = function()
    return choose(messages)
  end
end
