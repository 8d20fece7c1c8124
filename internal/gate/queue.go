package gate

// queue is a first-in first-out ring that grows as needed and drops its references as it empties.
type queue[E any] struct {
	ring []E
	head int
	n    int
}

func (q *queue[E]) len() int { return q.n }

func (q *queue[E]) push(e E) {
	if q.n == len(q.ring) {
		grown := make([]E, max(8, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)%len(q.ring)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)%len(q.ring)] = e
	q.n++
}

func (q *queue[E]) pop() E {
	var zero E
	e := q.ring[q.head]
	q.ring[q.head] = zero
	q.head = (q.head + 1) % len(q.ring)
	q.n--
	return e
}

// peek returns what pop would.
func (q *queue[E]) peek() *E { return &q.ring[q.head] }
