package cluster

// For pacemaker_test.go.
var (
	ParseFacts = parseFacts
	Touched    = (*Plan).touched
)
