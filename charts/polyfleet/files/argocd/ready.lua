-- Healthy once Ready is true for the generation that is asked for; what is not ready says why.
local health = { status = "Progressing", message = "the operator has not looked at it yet" }
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "is being deleted" }
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    local seen = condition.observedGeneration or obj.status.observedGeneration
    if seen ~= nil and obj.metadata.generation ~= nil and seen < obj.metadata.generation then
      return { status = "Progressing", message = "the operator has not seen the last change yet" }
    end
    if condition.status == "True" then
      return { status = "Healthy", message = condition.message or "" }
    end
    health.status = "Degraded"
    health.message = (condition.reason or "") .. ": " .. (condition.message or "")
  end
end
return health
