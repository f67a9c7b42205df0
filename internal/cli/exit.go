package cli

// The exit codes. 2 is never used: a Go panic exits with it.
const (
	ExitOK          = 0   // done, or healthy
	ExitFailed      = 1   // failed; nothing changed, or all of it undone
	ExitBad         = 3   // the answer is bad news
	ExitUnreachable = 4   // nothing could be done for want of a node
	ExitPartial     = 5   // stopped midway and not undone
	ExitUsage       = 64  // the command line is wrong
	ExitInterrupted = 130 // interrupted; state as the message says
)
