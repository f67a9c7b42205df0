package lab

// For plan_test.go.
var (
	Address  = address
	Network  = network
	Hosts    = hosts
	Complete = (*Options).complete
)
