package cli

// Setup gives the tests what NewStreams decides for the real streams.
func (s *Streams) Setup(lookupEnv func(string) (string, bool), color string) {
	s.setup(lookupEnv, color)
}
