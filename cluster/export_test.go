package cluster

import (
	"cmp"
	"fmt"
	"strings"
)

// For tests of what is decided from what nodes say.
var (
	ParseFacts = parseFacts
	Touched    = (*Plan).touched
)

// ReadMigration is what a datacenter.cfg means.
func ReadMigration(text string) Migration { return parseDatacenter([]byte(text)).migration() }

// SetMigration is a datacenter.cfg with another migration.
func SetMigration(text string, s MigrationSpec) string {
	return strings.Join(parseDatacenter([]byte(text)).set(s), "")
}

// Measured is a check of nodes that are to be a cluster, with what they would
// have said and measured.
func Measured(s CheckSpec, facts []*Facts, surveys map[string]string, paths []Path) *Check {
	c := checkNodes(s, facts)
	for node, out := range surveys {
		sec, err := parseSections([]byte(out))
		if err != nil {
			panic(err)
		}
		c.surveys[node] = parseSurvey(sec)
	}
	c.paths = paths
	return c
}

// SetMulticast tells how much of the multicast was lost.
func (p *Path) SetMulticast(loss float64) { p.setMulticast(loss) }

// Knocks are the packets that a plan would have sent, as from-to:link:port.
func (p *Plan) Knocks(facts []*Facts) []string {
	var all []string
	for _, k := range knocks(p.newest().ConfigIn(release(facts)), facts) {
		all = append(all, fmt.Sprintf("%s-%s:%d:%d", k.from, k.to, k.link, k.port))
	}
	return all
}

// Heard are the problems of a plan whose packets, from-to:link, get answers;
// the others are there.
func (p *Plan) Heard(facts []*Facts, said map[string]string) Problems {
	ks := knocks(p.newest().ConfigIn(release(facts)), facts)
	answers := map[knock]string{}
	for _, k := range ks {
		answers[k] = cmp.Or(said[fmt.Sprintf("%s-%s:%d", k.from, k.to, k.link)], "there")
	}
	return heard(ks, answers)
}

// SectionsScript is what the scripts that read a node have in common.
var SectionsScript = sectionsScript

// FactsScript reads what a node is, and ChangeScript changes it.
var FactsScript, ChangeScript = factsScript, changeScript

// SurveyScript looks around on a node.
var SurveyScript = surveyScript

// BondModes are the modes of bonds in what SurveyScript prints.
func BondModes(out []byte) map[string]string {
	sec, err := parseSections(out)
	if err != nil {
		panic(err)
	}
	return parseSurvey(sec).bondModes
}

// Group is the multicast group of a link.
var Group = group

// ParseLinkStats reads what script/links.sh prints.
func ParseLinkStats(out []byte) ([]LinkStat, error) {
	sec, err := parseSections(out)
	if err != nil {
		return nil, err
	}
	return parseLinkStats(sec)
}
