// What runs in the containers of a local node: no dependencies, so that it is built in seconds.
module polyfleet.dev/local/workload

go 1.26.0
