package cluster

// For tests of what only scripts on nodes print.
var (
	ParseFacts = parseFacts
	Touched    = (*Plan).touched
)

// ParseLinkStats reads what script/links.sh prints.
func ParseLinkStats(out []byte) ([]LinkStat, error) {
	sec, err := parseSections(out)
	if err != nil {
		return nil, err
	}
	return parseLinkStats(sec)
}
