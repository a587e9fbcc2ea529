-- A Rollout is healthy when every device that it may reach runs the package, suspended where it
-- waits for a person, and degraded where it cannot go on or devices failed.
local spec = obj.spec or {}
local status = obj.status or {}
local counts = status.counts or {}
if spec.aborted then
  return { status = "Degraded", message = "aborted" }
end
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration < obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not seen the last change yet" }
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" and condition.status ~= "True" then
    return { status = "Degraded", message = (condition.reason or "") .. ": " .. (condition.message or "") }
  end
end
local total, updated, failed = counts.total or 0, counts.updated or 0, counts.failed or 0
local message = string.format("%d of %d devices updated, %d failed", updated, total, failed)
if spec.paused then
  return { status = "Suspended", message = "paused: " .. message }
end
if failed > 0 then
  return { status = "Degraded", message = message }
end
if total > 0 and updated >= total then
  return { status = "Healthy", message = message }
end
if status.awaits ~= nil and status.awaits ~= "" then
  return { status = "Suspended", message = "waits for promotion: " .. message }
end
return { status = "Progressing", message = message }
