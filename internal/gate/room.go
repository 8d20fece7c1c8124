package gate

// RoomChanged has the readers that wait ask Config.Room again.
func (g *Gate[W]) RoomChanged() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.space.Broadcast()
}
