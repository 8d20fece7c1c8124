package gate

import "time"

// Later keeps a part of the worker's work for a retry after wait. From now on it is work of its
// own. crowded says that the waiting retries are at their bound, and there is more to read.
func (g *Gate[W]) Later(w W, load Load, wait time.Duration) (crowded bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open++
	if g.done() {
		return false
	}
	g.waiting.push(w, load, time.Now().Add(wait))
	if g.setAlarm(); g.due() {
		g.stir()
	}
	return g.crowded() && !g.closed
}

// setAlarm sets the alarm to the time of the next retry. It needs none if that has come: the caller
// stirs.
func (g *Gate[W]) setAlarm() {
	due, ok := g.waiting.first()
	if !ok || due.Equal(g.alarmAt) {
		return
	}
	wait := time.Until(due)
	if wait <= 0 {
		return
	}
	g.alarmAt = due
	if g.alarm == nil {
		g.alarm = time.AfterFunc(wait, g.ring)
		return
	}
	g.alarm.Reset(wait)
}

// ring runs when a retry is due.
func (g *Gate[W]) ring() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done() {
		return
	}
	g.alarmAt = time.Time{}
	g.setAlarm() // the retry of this alarm may have started
	g.stir()
}

// due reports whether the time of a retry has come.
func (g *Gate[W]) due() bool {
	due, ok := g.waiting.first()
	return ok && !due.After(time.Now())
}
