package gate

import "time"

// retries hold work that waits for its time, the earliest first, in a binary heap. Work of the same
// time leaves in the order in which it came. push and pop take time logarithmic in the number of
// retries; each retry takes the memory of one element of the heap.
type retries[W any] struct {
	heap   []retry[W]
	pushed uint64
	load   Load // of all
}

type retry[W any] struct {
	offer[W]
	due    time.Time
	number uint64 // the order in which the retries came
}

func (r *retry[W]) before(o *retry[W]) bool {
	if r.due.Equal(o.due) {
		return r.number < o.number
	}
	return r.due.Before(o.due)
}

func (r *retries[W]) push(w W, load Load, due time.Time) {
	r.pushed++
	r.load.add(load)
	r.heap = append(r.heap, retry[W]{offer[W]{w, load}, due, r.pushed})
	h := r.heap
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// pop removes the earliest; there is one.
func (r *retries[W]) pop() W {
	h := r.heap
	first, last := h[0].offer, len(h)-1
	h[0] = h[last]
	h[last] = retry[W]{}
	h = h[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	r.heap = h
	if len(h) == 0 {
		r.heap = nil // a burst of retries leaves no memory
	}
	r.load.remove(first.load)
	return first.work
}

func (r *retries[W]) first() (due time.Time, ok bool) {
	if len(r.heap) == 0 {
		return time.Time{}, false
	}
	return r.heap[0].due, true
}
