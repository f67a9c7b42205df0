package cluster

// Code names a kind of problem. Codes are part of the contract with scripts:
// they are only ever added.
type Code string

// Class tells what a Code means for the whole run.
type Class int

// The classes of codes.
const (
	Refused     Class = iota // the request cannot be carried out as things are
	Usage                    // the request itself is wrong
	Unreachable              // a node cannot be reached
	Finding                  // something that status or check found
)

// Codes of problems. What each means stands in CodeTable.
const (
	CodeFailed Code = "failed"

	CodeUsage         Code = "usage"
	CodeTimeout       Code = "timeout"
	CodeBadName       Code = "bad-name"
	CodeBadNodeSpec   Code = "bad-node-spec"
	CodeBadLink       Code = "bad-link"
	CodeBadID         Code = "bad-nodeid"
	CodeBadVotes      Code = "bad-votes"
	CodeBadOption     Code = "bad-option"
	CodeDuplicate     Code = "duplicate"
	CodeNoSuchNode    Code = "no-such-node"
	CodeNoSuchVersion Code = "no-such-version"
	CodeNeedsRestart  Code = "needs-restart"
	CodeNeedsYes      Code = "needs-yes"
	CodeBadPath       Code = "bad-path"
	CodeNotSet        Code = "not-set"
	CodeConfFile      Code = "conf-file"
	CodeConfEdit      Code = "conf-edit"
	CodeConfErrors    Code = "conf-errors"
	CodeNoCluster     Code = "no-cluster"
	CodeUnevenLinks   Code = "uneven-links"
	CodeMixedFamily   Code = "mixed-families"
	CodeAddress       Code = "address"
	CodeResolve       Code = "resolve"
	CodeLoopback      Code = "loopback"
	CodeHostname      Code = "hostname"
	CodeSameMachine   Code = "same-machine"
	CodeExists        Code = "cluster-exists"
	CodeDifferent     Code = "cluster-differs"
	CodeOtherCluster  Code = "other-cluster"
	CodeLiveMember    Code = "live-member"
	CodeKeyExists     Code = "key-exists"
	CodeNotInstalled  Code = "not-installed"
	CodeNoSystemd     Code = "no-systemd"
	CodeNotRoot       Code = "not-root"
	CodeVersion       Code = "version"
	CodeVersionMix    Code = "version-mix"
	CodeMulticastName Code = "multicast-name"
	CodeClock         Code = "clock"
	CodeDiskFull      Code = "disk-full"
	CodeLayout        Code = "layout"
	CodePmxcfs        Code = "pmxcfs"
	CodeGuests        Code = "guests"
	CodeLogin         Code = "login"
	CodeLeftover      Code = "leftover"
	CodeMigration     Code = "migration"
	CodeSharedStore   Code = "shared-storage"
	CodeHAOff         Code = "ha-off"
	CodeHeld          Code = "held"
	CodeQuorum        Code = "quorum"
	CodeFence         Code = "fence"
	CodeUnmanaged     Code = "unmanaged"
	CodeStep          Code = "step"
	CodeNotFormed     Code = "not-formed"
	CodeOutcome       Code = "outcome-unknown"
	CodeDevice        Code = "quorum-device"
	CodeOwed          Code = "owed"
	CodeOffline       Code = "offline"
	CodeOnline        Code = "not-offline"
	CodeLast          Code = "last-node"
	CodeNoRunning     Code = "not-running"
	CodeChanged       Code = "changed"
	CodeFinished      Code = "finished"
	CodeKeyUnused     Code = "key-unused"
	CodeKeyElsewhere  Code = "key-elsewhere"

	CodeUnreachable Code = "unreachable"
	CodeAuth        Code = "auth"
	CodeHostKey     Code = "host-key"
	CodeFacts       Code = "facts"

	CodeNotQuorate    Code = "not-quorate"
	CodePartition     Code = "partition"
	CodeAbsent        Code = "absent"
	CodeInactive      Code = "inactive"
	CodeCorosync      Code = "corosync-failed"
	CodeConfigInvalid Code = "config-invalid"
	CodeConfigDrift   Code = "config-drift"
	CodeConfigPending Code = "config-pending"
	CodeWatchdog      Code = "watchdog"
	CodeVersionDrift  Code = "version-drift"
	CodeKeyDrift      Code = "key-drift"
	CodeKeyOwed       Code = "key-owed"
	CodeUnknownMember Code = "unknown-member"
	CodeLinkDown      Code = "link-down"
	CodeExpected      Code = "expected-votes"
	CodeUnfinished    Code = "unfinished"
	CodeRunning       Code = "operation-running"
	CodeEditedConfig  Code = "not-this-cluster"

	CodeBehind      Code = "node-behind"
	CodeAhead       Code = "node-ahead"
	CodeDisabled    Code = "disabled"
	CodeMasked      Code = "masked"
	CodeKeyMode     Code = "key-readable"
	CodeKeyMissing  Code = "key-missing"
	CodeFirewall    Code = "firewall"
	CodeIfaceDown   Code = "interface-down"
	CodeNoCarrier   Code = "no-carrier"
	CodeNoAddr      Code = "address-missing"
	CodeWrongNode   Code = "address-elsewhere"
	CodeMTU         Code = "mtu"
	CodeNames       Code = "names-differ"
	CodeHung        Code = "hung"
	CodeWaiting     Code = "waiting"
	CodeUnscheduled Code = "not-scheduled"
	CodePort        Code = "port-blocked"
	CodeLoss        Code = "packet-loss"
	CodeLatency     Code = "latency"
	CodeMulticast   Code = "multicast"
	CodeUnmeasured  Code = "unmeasured"
	CodeBond        Code = "bond-mode"
	CodeShared      Code = "shared-interface"
	CodeMemory      Code = "memory"
)

// CodeInfo is one row of CodeTable.
type CodeInfo struct {
	Code    Code
	Class   Class
	Meaning string
}

// CodeTable lists every Code with its meaning; docs/codes.md is made from it.
func CodeTable() []CodeInfo {
	return []CodeInfo{
		{CodeFailed, Refused, "something failed that has no code of its own"},
		{CodeUsage, Usage, "a command line that cannot be understood"},
		{CodeTimeout, Refused, "the time given with --timeout is over"},
		{CodeBadName, Usage, "a cluster or node name that cannot be used"},
		{CodeBadNodeSpec, Usage, "a node argument that cannot be understood, or an unknown key in it"},
		{CodeBadLink, Usage, "a link number over 7, or a link address or network that cannot be understood"},
		{CodeBadID, Usage, "a node id outside 1..65535"},
		{CodeBadVotes, Usage, "votes that are negative or no number"},
		{CodeBadOption, Usage, "an option value that cannot be used, or options that exclude each other"},
		{CodeDuplicate, Usage, "the same name, id or address given twice"},
		{CodeNoSuchNode, Usage, "a node that is not in the cluster's nodelist"},
		{CodeNoSuchVersion, Usage, "a version of corosync.conf that is not kept on the nodes"},
		{CodeNeedsRestart, Refused, "a change of corosync.conf that a reload does not bring into effect"},
		{CodeNeedsYes, Usage, "the command asks before it goes on, and there is no terminal to ask on"},
		{CodeBadPath, Usage, "a path or key that corosync.conf does not have, or a value that the key does not take"},
		{CodeNotSet, Refused, "a key that is not set in corosync.conf"},
		{CodeConfFile, Refused, "a file that cannot be read or written, or is no corosync.conf"},
		{CodeConfEdit, Refused, "a change that cannot be made in this corosync.conf"},
		{CodeConfErrors, Refused, "corosync.conf has errors that stand in the way, or the change would make some"},
		{CodeNoCluster, Refused, "no cluster was named, and none is found here"},
		{CodeUnevenLinks, Refused, "links that are not the same on all nodes"},
		{CodeMixedFamily, Refused, "a link with IPv4 on one node and IPv6 on another"},
		{CodeAddress, Refused, "an address that the node does not have, or a network in which it has none or several"},
		{CodeResolve, Refused, "a name that does not resolve to an address of the node"},
		{CodeLoopback, Refused, "a name that resolves to a loopback address only"},
		{CodeHostname, Refused, "a node name that is not the machine's own name"},
		{CodeSameMachine, Refused, "two node names that reach one machine"},
		{CodeExists, Refused, "the cluster exists already"},
		{CodeDifferent, Refused, "the cluster exists already and is not as asked"},
		{CodeOtherCluster, Refused, "a node that carries the configuration of another cluster"},
		{CodeLiveMember, Refused, "a node that is running as a member of another cluster"},
		{CodeKeyExists, Refused, "a node that carries a cluster key, or a key file that is there already"},
		{CodeNotInstalled, Refused, "a needed program is not installed on the node"},
		{CodeNoSystemd, Refused, "the node is not run by systemd"},
		{CodeNotRoot, Refused, "the login on the node is not root, and --sudo was not given"},
		{CodeVersion, Refused, "a corosync version that cannot do what is asked"},
		{CodeVersionMix, Refused, "corosync versions that differ between nodes"},
		{CodeMulticastName, Refused, "with multicast, what else in the network would disturb the cluster"},
		{CodeClock, Refused, "clocks that are apart"},
		{CodeDiskFull, Refused, "no room for the configuration and the journal on a node"},
		{CodeLayout, Refused, "nodes of Proxmox VE and others in one cluster, or a command for Proxmox VE on another cluster"},
		{CodePmxcfs, Refused, "Proxmox VE's cluster file system does not run, or cannot be written"},
		{CodeGuests, Refused, "a node of Proxmox VE has guests whose configuration would be lost"},
		{CodeLogin, Refused, "a key that lets someone log in to a node of Proxmox VE would be lost"},
		{CodeLeftover, Refused, "what a node that left leaves behind in /etc/pve"},
		{CodeMigration, Refused, "what Proxmox VE's datacenter.cfg says of migration does not do what it seems to"},
		{CodeSharedStore, Refused, "storage that a node which is separated would share with the cluster"},
		{CodeHAOff, Finding, "HA of Proxmox VE does not run on a node, and is started at boot there or on others"},
		{CodeHeld, Refused, "another operation holds a node"},
		{CodeQuorum, Refused, "a step that would cost the cluster its quorum"},
		{CodeFence, Refused, "something on the node would fence it for what is asked"},
		{CodeUnmanaged, Refused, "pacemaker is in maintenance mode: resources go on running where they are"},
		{CodeStep, Refused, "a step failed on a node"},
		{CodeNotFormed, Refused, "the nodes did not come together in time"},
		{CodeOutcome, Unreachable, "the connection was lost during a step: whether it was carried out is not known"},
		{CodeDevice, Refused, "a quorum device stands in the way"},
		{CodeOwed, Refused, "a node that is away does not get the change, and must get it before it is started"},
		{CodeOffline, Refused, "a node is taken off the list without being stopped and locked out"},
		{CodeOnline, Refused, "--offline was given for a node that answers"},
		{CodeLast, Refused, "no node would be left"},
		{CodeChanged, Refused, "a node changed between the look at it and the taking of its lock"},
		{CodeFinished, Refused, "the operation that was to be undone had been finished"},
		{CodeKeyUnused, Refused, "the cluster does not encrypt, so that it has no key to change"},
		{CodeKeyElsewhere, Refused, "the cluster's key is not in the file that clusterctl changes"},
		{CodeNoRunning, Refused, "corosync does not run where it is needed"},
		{CodeUnreachable, Unreachable, "a node does not answer"},
		{CodeAuth, Unreachable, "a node does not accept the login"},
		{CodeHostKey, Unreachable, "a node's host key is unknown or has changed"},
		{CodeFacts, Unreachable, "a node was reached but could not be examined"},
		{CodeNotQuorate, Finding, "no partition has quorum"},
		{CodePartition, Finding, "the active nodes are not all in one membership"},
		{CodeAbsent, Finding, "a configured node is not a member"},
		{CodeInactive, Finding, "corosync is not running on a node"},
		{CodeCorosync, Finding, "corosync failed on a node, or does not answer"},
		{CodeConfigInvalid, Finding, "a corosync.conf is missing or corosync would refuse it"},
		{CodeConfigDrift, Finding, "the nodes do not have the same corosync.conf"},
		{CodeWatchdog, Finding, "HA's watchdog is about to reset a node that is without quorum"},
		{CodeConfigPending, Finding, "a node runs another config_version than its file has"},
		{CodeVersionDrift, Finding, "members run different config_versions"},
		{CodeKeyDrift, Finding, "the nodes do not have the same authkey"},
		{CodeKeyOwed, Finding, "the authkey is still the one that a removed node has"},
		{CodeUnknownMember, Finding, "a member that corosync.conf does not list"},
		{CodeLinkDown, Finding, "a link between two members is down"},
		{CodeExpected, Finding, "the expected votes are not what the file says"},
		{CodeUnfinished, Finding, "an operation was interrupted and is neither finished nor undone"},
		{CodeRunning, Finding, "an operation is going on"},
		{CodeEditedConfig, Finding, "a node listed in corosync.conf belongs to no or another cluster"},
		{CodeBehind, Finding, "a node came up with an older corosync.conf than the others run, and so ended"},
		{CodeAhead, Finding, "a node has a newer corosync.conf than the cluster runs: after a start of all nodes the others would end"},
		{CodeDisabled, Finding, "corosync is not started when a node boots, and on others it is"},
		{CodeMasked, Finding, "corosync's unit is masked on a node, so that it cannot be started"},
		{CodeKeyMode, Finding, "others than root can read the authkey"},
		{CodeKeyMissing, Finding, "a node has no authkey, or one that corosync does not take"},
		{CodeFirewall, Finding, "a packet filter keeps corosync's packets away from a node"},
		{CodeIfaceDown, Finding, "the interface with a node's address on a link is down"},
		{CodeNoCarrier, Finding, "the interface with a node's address on a link has no carrier: a cable, or what it ends in"},
		{CodeNoAddr, Finding, "a node does not have the address that corosync.conf gives it on a link"},
		{CodeWrongNode, Finding, "the address that corosync.conf gives a node is on another node"},
		{CodeMTU, Finding, "packets of the size that an interface sends do not get through, or interfaces of a link differ in it"},
		{CodeNames, Finding, "a name of a ring address stands for different addresses on different nodes"},
		{CodeHung, Finding, "corosync's process is there and does nothing"},
		{CodeWaiting, Finding, "votes are enough, and corosync waits until all nodes have been there once (wait_for_all)"},
		{CodeUnscheduled, Finding, "corosync did not get processor time for long enough to lose its token"},
		{CodePort, Finding, "what one node sends to the UDP port of a link on another does not get there"},
		{CodeLoss, Finding, "packets are lost between two nodes"},
		{CodeLatency, Finding, "packets take too long between two nodes"},
		{CodeMulticast, Finding, "multicast, which the transport needs, does not get from one node to another"},
		{CodeUnmeasured, Finding, "something that could not be measured"},
		{CodeBond, Finding, "a link goes over a bond in a mode that corosync does not bear well"},
		{CodeShared, Finding, "a link shares its network interface with other traffic, or with another link"},
		{CodeMemory, Finding, "there is little memory left, and corosync locks what it uses"},
	}
}

// Class returns the class of c; an unknown code is Refused.
func (c Code) Class() Class {
	for _, i := range CodeTable() {
		if i.Code == c {
			return i.Class
		}
	}
	return Refused
}
