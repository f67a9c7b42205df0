package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"clusterctl/cluster"
	"clusterctl/corosyncconf"
	"clusterctl/internal/cli"
)

// lookAtConfs reads the corosync.conf of every node of the cluster.
func (a *app) lookAtConfs(ctx context.Context) (*cluster.View, []cluster.NodeConf, error) {
	ctx, cancel := a.context(ctx)
	defer cancel()
	p := a.progress()
	defer p.Close()
	t := p.Start("ask the nodes")
	view, err := a.glance(ctx)
	if err != nil {
		t.Fail()
		return nil, nil, err
	}
	t.Clear()
	return view, view.Confs(), nil
}

// nodeFileJSON is the corosync.conf of one node.
type nodeFileJSON struct {
	Node      string `json:"node"`
	Reachable bool   `json:"reachable"`
	Error     string `json:"error"`                  // why its file is not known, or that there is none
	Same      bool   `json:"same"`                   // as the one that speaks for the cluster, byte for byte
	SHA256    string `json:"sha256"`                 // empty: it is not known
	Version   uint64 `json:"config_version"`         // of the file
	Running   uint64 `json:"config_version_running"` // 0: corosync does not run there, or without one
}

func newNodeFileJSON(c cluster.NodeConf) nodeFileJSON {
	f := nodeFileJSON{Node: c.Node, Reachable: c.Reached, Same: c.Same, SHA256: c.Hash, Error: whyUnknown(c)}
	if c.File != nil {
		f.Version = c.File.ConfigVersion()
	}
	if c.Runs != nil {
		f.Running = c.Runs.ConfigVersion()
	}
	return f
}

func nodeFilesJSON(confs []cluster.NodeConf) []nodeFileJSON {
	out := make([]nodeFileJSON, 0, len(confs))
	for _, c := range confs {
		out = append(out, newNodeFileJSON(c))
	}
	return out
}

// whyUnknown says what keeps a node's file from being known, or used.
func whyUnknown(c cluster.NodeConf) string {
	switch {
	case !c.Reached:
		return cluster.NodeProblem(c.Node, c.Err).Message
	case c.File == nil:
		return "there is no " + cluster.ConfPath
	case c.Err != nil:
		return c.Err.Error()
	}
	return ""
}

// warnOfNodes says on stderr of which nodes the file is not known, and which
// have another one than the cluster.
func (a *app) warnOfNodes(confs []cluster.NodeConf) {
	var ps cluster.Problems
	var others []string
	for _, c := range confs {
		switch {
		case !c.Reached:
			p := cluster.NodeProblem(c.Node, c.Err)
			p.Severity = cluster.Warning
			ps = append(ps, p)
		case c.File == nil:
			ps = append(ps, cluster.Problem{Severity: cluster.Warning, Code: cluster.CodeConfigInvalid, Node: c.Node, Message: whyUnknown(c), Remedy: "clusterctl conf sync"})
		case !c.Same:
			others = append(others, c.Node)
		}
	}
	if others != nil {
		ps = append(ps, cluster.Problem{Severity: cluster.Warning, Code: cluster.CodeConfigDrift,
			Message: fmt.Sprintf("another corosync.conf than the cluster's is on %s", strings.Join(others, ", ")), Remedy: "clusterctl conf diff shows what differs"})
	}
	a.printProblems(ps)
}

// confShowCluster shows the file that speaks for the cluster, and which node has
// another one.
func (a *app) confShowCluster(ctx context.Context, release string) error {
	v, confs, err := a.lookAtConfs(ctx)
	if err != nil {
		return err
	}
	r, err := a.releaseOf(v, release)
	if err != nil {
		return err
	}
	conf := v.Conf.ConfigIn(r)
	if a.json() {
		return cli.JSON(a.env.Out, struct {
			confJSON
			Files []nodeFileJSON `json:"files"`
		}{newConfJSON(cluster.ConfPath, conf), nodeFilesJSON(confs)})
	}
	if err := a.printConf(conf); err != nil {
		return err
	}
	fmt.Fprintln(a.env.Out)
	heading(a.env.Out, "Files")
	t := cli.NewTable("NODE", "VERSION", "RUNS", "FILE")
	for _, c := range confs {
		f := newNodeFileJSON(c)
		version := func(n uint64, known bool) cli.Cell {
			if !known {
				return cli.Text("-")
			}
			return cli.Text(strconv.FormatUint(n, 10))
		}
		state := cli.Styled(cli.OK, "the cluster's")
		switch {
		case !c.Reached:
			state = cli.Styled(cli.Dim, "not known")
		case c.File == nil:
			state = cli.Styled(cli.Bad, "missing")
		case !c.Same:
			state = cli.Styled(cli.Bad, "another one")
		}
		t.Row(cli.Text(c.Node), version(f.Version, c.File != nil), version(f.Running, c.Runs != nil), state)
	}
	if err := t.Render(a.streams); err != nil {
		return err
	}
	a.warnOfNodes(confs)
	return nil
}

// releaseOf reads --for, without which it is the oldest release that the nodes
// have.
func (a *app) releaseOf(v *cluster.View, text string) (corosyncconf.Release, error) {
	if text == "" {
		return v.Release(), nil
	}
	return parseRelease(text)
}

// keyOnNode is what a node has for what conf get was asked for.
type keyOnNode struct {
	nodeFileJSON
	Settings  []settingJSON     `json:"settings"`  // in the node's file
	Runs      []runningJSON     `json:"runs"`      // in what corosync runs by
	Effective map[string]string `json:"effective"` // what corosync has made of totem keys, by path
}

type runningJSON struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// confGetCluster prints what is set in the cluster's file, and says where a node
// has, or runs by, something else.
func (a *app) confGetCluster(ctx context.Context, path *corosyncconf.KeyPath) error {
	v, confs, err := a.lookAtConfs(ctx)
	if err != nil {
		return err
	}
	const name = "the corosync.conf of the cluster"
	found, err := settingsAt(v.Conf, path)
	if err != nil {
		return confProblem(cluster.CodeConfEdit, "", "%s: %v", name, err)
	}
	var nodes []keyOnNode
	var differ cluster.Problems
	made := map[string]bool{}
	for _, c := range confs {
		k := keyOnNode{nodeFileJSON: newNodeFileJSON(c), Settings: []settingJSON{}, Runs: []runningJSON{}, Effective: map[string]string{}}
		has, runs := found, found
		if c.File != nil {
			has, _ = settingsAt(c.File, path) // a node that is not there has no settings
			k.Settings = settingsJSON(has)
		}
		if c.Runs != nil {
			runs, _ = settingsAt(c.Runs, path)
			for _, s := range runs {
				k.Runs = append(k.Runs, runningJSON{s.Path.String(), s.Value})
			}
			asked := runs
			if path != nil && path.Name() != "" {
				asked = append(asked, corosyncconf.Setting{Path: *path})
			}
			for _, s := range asked {
				if value := c.Effective(s.Path); value != "" {
					k.Effective[s.Path.String()] = value
					made[value] = true
				}
			}
		}
		nodes = append(nodes, k)
		if path == nil {
			continue
		}
		if text := valuesText(has); text != valuesText(found) {
			differ = append(differ, cluster.Problem{Severity: cluster.Warning, Code: cluster.CodeConfigDrift, Node: c.Node, Message: fmt.Sprintf("its corosync.conf has %s", text)})
		}
		if text := valuesText(runs); text != valuesText(has) && !onlyListed(*path) {
			differ = append(differ, cluster.Problem{Severity: cluster.Warning, Code: cluster.CodeConfigPending, Node: c.Node, Message: fmt.Sprintf("corosync runs with %s", text)})
		}
	}
	if !a.json() {
		a.warnOfNodes(confs)
		a.printProblems(differ)
	}
	if path != nil && len(found) == 0 {
		err := notSet(name, *path)
		if len(made) == 1 {
			for value := range made {
				err = confProblem(cluster.CodeNotSet, "corosync runs by "+value, "%s is not set in %s", path, name)
			}
		}
		return err
	}
	if a.json() {
		return cli.JSON(a.env.Out, map[string]any{"schema": 1, "settings": settingsJSON(found), "files": nodes})
	}
	return a.printSettings(path, found)
}

// onlyListed reports whether a key is in corosync's database in another form
// than in the file.
func onlyListed(path corosyncconf.KeyPath) bool {
	top, _, _ := strings.Cut(path.String(), ".")
	return top == "uidgid" || top == "resources" || strings.HasSuffix(path.String(), "bindnetaddr")
}

func valuesText(found []corosyncconf.Setting) string {
	var all []string
	for _, s := range found {
		all = append(all, s.Path.String()+" "+s.Value)
	}
	slices.Sort(all)
	if all == nil {
		return "nothing there"
	}
	return strings.Join(all, ", ")
}

// fileDiffJSON is how one node's file differs from the cluster's, and what it runs
// by from its file.
type fileDiffJSON struct {
	nodeFileJSON
	Changes []changeJSON `json:"changes"` // from the cluster's file to the node's
	Pending []changeJSON `json:"pending"` // from what corosync runs by to the node's file
}

// confDiffCluster compares the nodes' files, and each with what runs.
func (a *app) confDiffCluster(ctx context.Context) error {
	v, confs, err := a.lookAtConfs(ctx)
	if err != nil {
		return err
	}
	r := v.Release()
	reference := cluster.ConfPath
	for _, c := range confs {
		if c.Same {
			reference = c.Node + ":" + cluster.ConfPath
			break
		}
	}
	var files []fileDiffJSON
	var all []corosyncconf.Change
	equal, diffs := true, ""
	shown := map[string][]string{} // nodes by the hash of their file, where it is another one
	pending := map[string][]cluster.NodeConf{}
	var order, orderPending []string
	for _, c := range confs {
		d := fileDiffJSON{nodeFileJSON: newNodeFileJSON(c), Changes: []changeJSON{}, Pending: changesJSON(c.Pending)}
		if c.File != nil && !c.Same {
			changes := corosyncconf.Compare(v.Conf, c.File, r)
			d.Changes = changesJSON(changes)
			if shown[c.Hash] == nil {
				order = append(order, c.Hash)
				all = append(all, changes...)
				diffs += corosyncconf.UnifiedDiff(reference, c.Node+":"+cluster.ConfPath, v.Conf.Bytes(), c.File.Bytes())
			}
			shown[c.Hash] = append(shown[c.Hash], c.Node)
		}
		if len(c.Pending) > 0 {
			key := fmt.Sprint(c.Pending)
			if pending[key] == nil {
				orderPending = append(orderPending, key)
			}
			pending[key] = append(pending[key], c)
		}
		equal = equal && c.Same && len(c.Pending) == 0
		files = append(files, d)
	}
	if a.json() {
		err = cli.JSON(a.env.Out, map[string]any{
			"schema": 1, "equal": equal, "diff": diffs, "changes": changesJSON(all), "effect": corosyncconf.EffectOf(all).String(), "files": files,
		})
	} else {
		err = a.printFileDiffs(v, reference, confs, order, shown, orderPending, pending)
	}
	if err == nil && !equal {
		err = badNews{cli.ExitBad}
	}
	return err
}

func (a *app) printFileDiffs(v *cluster.View, reference string, confs []cluster.NodeConf, order []string, shown map[string][]string, orderPending []string, pending map[string][]cluster.NodeConf) error {
	for _, c := range confs {
		if why := whyUnknown(c); why != "" && (!c.Reached || c.File == nil) {
			a.printProblems(cluster.Problems{{Severity: cluster.Warning, Node: c.Node, Message: why}})
		}
	}
	parts := 0
	part := func(format string, args ...any) {
		if parts++; parts > 1 {
			fmt.Fprintln(a.env.Out)
		}
		heading(a.env.Out, fmt.Sprintf(format, args...))
	}
	for _, hash := range order {
		i := slices.IndexFunc(confs, func(c cluster.NodeConf) bool { return c.Hash == hash })
		part("The file of %s is not the cluster's", strings.Join(shown[hash], ", "))
		diff := corosyncconf.UnifiedDiff(reference, confs[i].Node+":"+cluster.ConfPath, v.Conf.Bytes(), confs[i].File.Bytes())
		if err := a.printDiff(a.env.Out, diff, corosyncconf.Compare(v.Conf, confs[i].File, v.Release())); err != nil {
			return err
		}
	}
	for _, key := range orderPending {
		var names []string
		for _, c := range pending[key] {
			names = append(names, c.Node)
		}
		part("What runs on %s is not what the file says", strings.Join(names, ", "))
		if err := a.printChanges(a.env.Out, pending[key][0].Pending); err != nil {
			return err
		}
	}
	return nil
}

// nodeFinding is a finding in the file of some nodes.
type nodeFinding struct {
	corosyncconf.Finding
	hash  string // of the file
	nodes []string
}

// confCheckCluster checks the file of every node as corosync there would see it.
func (a *app) confCheckCluster(ctx context.Context, release string) error {
	v, confs, err := a.lookAtConfs(ctx)
	if err != nil {
		return err
	}
	if _, err := a.releaseOf(v, release); err != nil {
		return err
	}
	var found []nodeFinding
	checked := map[string]int{} // how many nodes have a file
	var checkedFor []string
	for _, c := range confs {
		if c.File == nil {
			continue
		}
		r := c.Release()
		if release != "" {
			r, _ = parseRelease(release) // it was read above
		}
		if !slices.Contains(checkedFor, r.String()) {
			checkedFor = append(checkedFor, r.String())
		}
		checked[c.Hash]++
		for _, f := range c.Check(r) {
			i := slices.IndexFunc(found, func(n nodeFinding) bool { return n.Finding == f && n.hash == c.Hash })
			if i < 0 {
				i = len(found)
				found = append(found, nodeFinding{f, c.Hash, nil})
			}
			found[i].nodes = append(found[i].nodes, c.Node)
		}
		if c.Err != nil && len(c.Check(r)) == 0 { // what cannot be read of it
			found = append(found, nodeFinding{corosyncconf.Finding{Code: corosyncconf.CodeSyntax, Severity: corosyncconf.Bad, Message: c.Err.Error(), RefusedBy: corosyncconf.ByParser}, c.Hash, []string{c.Node}})
		}
	}
	findings := make([]corosyncconf.Finding, len(found))
	for i, f := range found {
		findings[i] = f.Finding
	}
	missing := slices.ContainsFunc(confs, func(c cluster.NodeConf) bool { return c.Reached && c.File == nil })
	if a.json() {
		out := findingsJSON(cluster.ConfPath, findings)
		for i := range out {
			out[i].Nodes = found[i].nodes
		}
		err = cli.JSON(a.env.Out, map[string]any{"schema": 1, "findings": out, "files": nodeFilesJSON(confs)})
	} else {
		last := ""
		for _, f := range found[:min(len(found), maxFindings)] {
			name := cluster.ConfPath
			if len(f.nodes) < checked[f.hash] || len(checked) > 1 {
				name = strings.Join(f.nodes, ",") + ":" + name
			}
			a.printFinding(name, f.Finding, last)
			last = f.Remedy
		}
		a.warnOfNodes(confs)
		err = a.summary(fmt.Sprintf("%s of %s", cluster.ConfPath, plural(sum(checked), "node")), strings.Join(checkedFor, ", "), findings)
	}
	if _, bad := count(findings); err == nil && (bad > 0 || missing) {
		err = badNews{cli.ExitBad}
	}
	return err
}

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// errOnlyFile is that a flag is for plain files only.
func errOnlyFile(flag string) error {
	return errors.New(flag + " is for a plain file: name it with --file PATH")
}
