package cluster

import (
	"fmt"

	"clusterctl/corosyncconf"
)

// ConfSpec is a change of the corosync.conf of a running cluster.
type ConfSpec struct {
	What string // in words, for the plan: "set totem.token to 5000"
	Edit func(*corosyncconf.File) error
	Text []byte // the new content, in place of Edit; its config_version does not count
}

// apply returns the configuration after the change, with the version of conf.
func (s ConfSpec) apply(conf *corosyncconf.File) (*corosyncconf.File, error) {
	wanted := conf.Clone()
	var err error
	if s.Edit == nil {
		wanted, err = corosyncconf.Parse(ConfPath, s.Text)
	} else {
		err = s.Edit(wanted)
	}
	if err == nil && wanted.ConfigVersion() != conf.ConfigVersion() {
		err = wanted.SetConfigVersion(conf.ConfigVersion())
	}
	return wanted, err
}

// PlanConf plans that a running cluster gets a changed corosync.conf: on every
// node, activated by one reload, and with what runs afterwards held against
// what the file says. What a reload cannot activate is refused, and so is what
// makes the file worse than it was. A plan without steps means that the file is
// so already.
func PlanConf(s ConfSpec, v *View) (*Plan, error) {
	var changes []corosyncconf.Change
	plan, err := counted(func(rollouts int) (*rollout, error) {
		var ps Problems
		v.settled(&ps, false)
		wanted, err := s.apply(v.Conf)
		if err != nil {
			ps.add(CodeBadOption, "", "", "%v", err)
			return nil, ps
		}
		same := Hash(wanted.Bytes()) == Hash(v.Conf.Bytes())
		changes = corosyncconf.Compare(v.Conf, wanted, v.release())
		v.mayReload(&ps, changes)
		v.noWorse(&ps, wanted)
		if err := ps.err(); err != nil {
			return nil, err
		}
		p := v.plan()
		p.Notes = ps
		r := newRollout(v, p, rollouts)
		if same {
			p.Quorum.Lowest, _ = v.voting(v.Conf.Config())
			return r, nil
		}
		return r, r.replace(s.What, wanted)
	})
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if c.CmapKey == "" {
			continue
		}
		for i := range plan.Steps {
			if want := plan.Steps[i].Do.Want; want != nil {
				want.Cmap = append(want.Cmap, CmapValue{c.CmapKey, c.CmapValue, c.Kind == corosyncconf.Removed})
			}
		}
	}
	return plan, nil
}

// CmapValue is what a key of corosync's cmap is to be.
type CmapValue struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Absent bool   `json:"absent,omitempty"` // the key is not there
}

// release is the oldest release of corosync among the nodes.
func (v *View) release() corosyncconf.Release {
	oldest := corosyncconf.V31
	for _, f := range v.reached() {
		switch {
		case f.Corosync.Major == 2:
			oldest = corosyncconf.V24
		case f.Corosync.Major == 3 && f.Corosync.Minor == 0:
			oldest = min(oldest, corosyncconf.V30)
		}
	}
	return oldest
}

// mayReload refuses what a reload does not do.
func (v *View) mayReload(ps *Problems, changes []corosyncconf.Change) {
	for _, c := range changes {
		switch {
		case c.Effect > corosyncconf.Reload:
			text := fmt.Sprintf("%s: a reload does not do it, it takes: %s", c.Words, c.Effect)
			if c.Remark != "" {
				text += " (" + c.Remark + ")"
			}
			ps.add(CodeNeedsRestart, "", "leave it out; what a reload can do may go alone", "%s", text)
		case c.Remark != "":
			ps.warn(CodeNeedsRestart, "", "", "%s: %s", c.Words, c.Remark)
		}
	}
}

// noWorse refuses a configuration with errors that the present one does not
// have, and warns of new warnings.
func (v *View) noWorse(ps *Problems, wanted *corosyncconf.File) {
	for _, f := range corosyncconf.Worse(v.Conf, wanted, corosyncconf.Target{Release: v.release()}) {
		if f.Severity == corosyncconf.Bad {
			ps.add(CodeConfigInvalid, "", f.Remedy, "%s: %s", f.Code, f.Message)
		} else {
			ps.warn(CodeConfigInvalid, "", f.Remedy, "%s: %s", f.Code, f.Message)
		}
	}
}
