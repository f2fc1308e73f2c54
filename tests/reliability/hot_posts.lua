-- SPDX-License-Identifier: MIT
-- wrk sends this message again and again.

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"From":"hot","Content":"post"}'
