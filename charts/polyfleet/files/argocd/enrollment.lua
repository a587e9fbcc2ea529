-- An Enrollment waits for a person: that is suspended, and no fault of anybody's.
if obj.spec ~= nil and obj.spec.approval == "Denied" then
  return { status = "Healthy", message = "denied" }
end
if obj.spec == nil or obj.spec.approval == nil then
  return { status = "Suspended", message = "waits for spec.approval" }
end
return { status = "Progressing", message = "approved; the Device is being made" }
