package cluster

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"clusterctl/quorum"
)

// For tests of what is decided from what nodes say.
var (
	Touched = (*Plan).touched
	AndList = andList
)

// ReadMigration is what a datacenter.cfg means.
func ReadMigration(text string) Migration { return parseDatacenter([]byte(text)).migration() }

// SetMigration is a datacenter.cfg with another migration.
func SetMigration(text string, s MigrationSpec) string {
	return strings.Join(parseDatacenter([]byte(text)).set(s), "")
}

func ParseFacts(node string, out []byte, sent, received time.Time) (*Facts, error) {
	return parseFacts(&alike{}, node, out, sent, received)
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

// CmapOf is what a node has of corosync's cmap when that was read: each key's
// value, and the members' versions.
func CmapOf(out []byte) (func(key string) (quorum.Value, bool), map[ID]uint64, error) {
	var a alike
	var r Runtime
	var err error
	r.Cmap, r.common, err = a.cmap(out)
	return r.value, r.versions(), err
}

// Packed is a script that packs its answer, and Unpack what makes an answer of that.
func Packed(script string) string { return packed(script) }

func Unpack(out []byte) ([]byte, error) {
	var a alike
	out, _, err := a.unpack(out)
	return out, err
}

// Knocks tells which of n nodes, by their index, the one with index i sends a packet to.
func Knocks(i, n int) (to []int) {
	for j := range n {
		if j != i && pairs(i, j, n) {
			to = append(to, j)
		}
	}
	return to
}

// SectionsScript is what the scripts that read a node have in common.
var SectionsScript = sectionsScript

// FactsScript reads what a node is, RuntimeScript what corosync says there, and
// ChangeScript changes it.
var FactsScript, RuntimeScript, ChangeScript = factsScript, runtimeScript, changeScript

// ParseRuntime makes a Runtime of what RuntimeScript prints; nil where corosync does not run.
func ParseRuntime(out []byte) (*Runtime, error) {
	sec, err := parseSections(out)
	if _, runs := sec["quorum"]; err != nil || !runs {
		return nil, err
	}
	return parseRuntime(&alike{}, sec), nil
}

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
