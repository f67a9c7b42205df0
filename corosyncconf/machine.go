package corosyncconf

// Machine is what corosync learns from the machine that it starts on. It is
// filled by who asks for a check; this package does no I/O.
type Machine struct{}
