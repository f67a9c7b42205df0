package corosyncconf

import (
	"fmt"
)

// timers does what totem_volatile_config_read and _validate do with times.
func (t *totem) timers() {
	const noZero = 0 // stands for the default
	get := func(key string, unset uint32) uint32 {
		if s, ok := t.number("totem." + key); ok && s.n != noZero {
			return uint32(s.n)
		}
		return unset
	}
	token := get("token", 3000)
	if t.target.Release < V31 {
		token = get("token", 1000)
	}
	if n := uint32(len(t.links[0].members)); n > 2 {
		coefficient := uint32(650)
		if s, ok := t.number("totem.token_coefficient"); ok {
			coefficient = uint32(s.n)
		}
		token += (n - 2) * coefficient
	}
	retransmits := get("token_retransmits_before_loss_const", 4)
	retransmit := get("token_retransmit", cInt(float64(token)/(float64(retransmits)+0.2)))
	hold := get("hold", cInt(float64(retransmit)*0.8-tick))
	join := get("join", 50)
	consensus := get("consensus", cInt(float64(float32(1.2*float64(token)))))

	least := func(key string, value uint32, least uint32, unit, because string) bool {
		if value >= least {
			return true
		}
		s := t.values["totem."+key]
		l, remedy := s.line, fmt.Sprintf("write %d or more, or remove the line: the default is right for nearly all", least)
		if !s.number {
			for _, other := range []string{"token", "token_retransmits_before_loss_const", "token_coefficient"} {
				l = orLine(l, t.values["totem."+other].line)
			}
			remedy = "raise totem.token, or remove what it is made from: the defaults are right for nearly all"
		}
		t.test(CodeTimer, l, fmt.Sprintf("totem.%s is %d%s%s, and must be %d or more", key, value, unit, because, least), remedy)
		return false
	}
	least("max_network_delay", get("max_network_delay", 50), minTimeout, " ms", "")
	tokenOK := least("token", token, minTimeout, " ms", "")
	if tokenOK {
		because := ""
		if _, ok := t.number("totem.token_retransmit"); !ok {
			because = fmt.Sprintf(", made from a token of %d ms and %d retransmits", token, retransmits)
		}
		if least("token_retransmit", retransmit, minTimeout, " ms", because) {
			minHold := uint32(minHold)
			if t.target.Release == V24 {
				minHold = minTimeout
			}
			least("hold", hold, minHold, " ms", "")
		}
	}
	if s, ok := t.number("totem.token_warning"); ok && s.n > 100 && t.target.Release > V24 {
		t.test(CodeTimer, s.line, fmt.Sprintf("totem.token_warning is %d%%, and goes from 0 to 100", s.n), "write a percentage, or remove the line: it is 75 then")
	}
	joinOK := least("join", join, minTimeout, " ms", "")
	_, own := t.number("totem.consensus")
	if least("consensus", consensus, minTimeout, " ms", "") && joinOK && (tokenOK || own) && consensus < join {
		l := t.values["totem.token"].line
		for _, key := range []string{"join", "consensus"} {
			l = orLine(t.values["totem."+key].line, l)
		}
		t.test(CodeTimer, l, fmt.Sprintf("totem.consensus is %d ms, and must not be less than totem.join, which is %d ms", consensus, join),
			"remove what is said of them: the defaults are right for nearly all")
	}
	least("merge", get("merge", 200), minTimeout, " ms", "")
	least("downcheck", get("downcheck", 1000), minTimeout, " ms", "")
	if t.target.Release == V24 {
		threshold := get("rrp_problem_count_threshold", 10)
		least("rrp_problem_count_timeout", get("rrp_problem_count_timeout", 2000), minTimeout, " ms", "")
		least("rrp_problem_count_threshold", threshold, 2, "", "")
		least("rrp_problem_count_mcast_threshold", get("rrp_problem_count_mcast_threshold", threshold*10), 2, "", "")
		least("rrp_token_expired_timeout", get("rrp_token_expired_timeout", retransmit), minTimeout, " ms", "")
	}
}

// cInt is what becomes of f when C makes it an int and then an unsigned one;
// of one that is too large, x86 makes the smallest int.
func cInt(f float64) uint32 {
	if f >= 1<<31 || f < -1<<31 {
		return 1 << 31
	}
	return uint32(int32(f))
}
