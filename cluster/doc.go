// Package cluster is the domain: it takes what an admin asked for and what the
// nodes are, and makes plans; it carries plans out and undoes them; and it
// tells the state of a cluster.
//
// Planning is pure: PlanCreate, PlanStart and PlanStop take values and return
// a Plan or all the Problems at once. The Executor carries a Plan out over the
// Node interface, which *hostNode implements for machines with a shell.
package cluster
