package gate

import (
	"container/heap"
	"time"
)

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

// retries hold work that waits for its time, the earliest first.
type retries[W any] struct {
	byTime retryHeap[W]
	units  int
}

type retry[W any] struct {
	work  W
	units int
	due   time.Time
}

func (r *retries[W]) push(w retry[W]) {
	heap.Push(&r.byTime, w)
	r.units += w.units
}

func (r *retries[W]) pop() retry[W] {
	w := heap.Pop(&r.byTime).(retry[W])
	r.units -= w.units
	return w
}

func (r *retries[W]) first() (due time.Time, ok bool) {
	if len(r.byTime) == 0 {
		return time.Time{}, false
	}
	return r.byTime[0].due, true
}

type retryHeap[W any] []retry[W]

func (h retryHeap[W]) Len() int           { return len(h) }
func (h retryHeap[W]) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h retryHeap[W]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *retryHeap[W]) Push(x any)        { *h = append(*h, x.(retry[W])) }
func (h *retryHeap[W]) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = retry[W]{}
	*h = old[:len(old)-1]
	return last
}
