package corosyncconf

var keyCodes = []CodeInfo{}

// keys reports keys that the release does not know or takes differently.
func (c *checker) keys() {}
