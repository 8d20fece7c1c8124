package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"sync"
)

// server simulates a typical API. It accepts at most maxContacts in a request, throttles every
// seventh request, refuses invalid addresses, and fails one contact in a hundred on its first
// attempt.
type server struct {
	mu       sync.Mutex // guards the other fields
	requests int
	refused  int
	seen     map[string]int // by address: number of requests that were not throttled
}

const maxContacts = 100

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var contacts []Contact
	if err := json.NewDecoder(r.Body).Decode(&contacts); err != nil || len(contacts) > maxContacts {
		http.Error(w, fmt.Sprintf("want at most %d contacts", maxContacts), http.StatusBadRequest)
		return
	}
	replies, ok := s.take(contacts)
	if !ok {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(replies) // fails only if the client has gone
}

// take returns one reply for each contact. ok is false if the request is throttled.
func (s *server) take(contacts []Contact) (replies []Reply, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.requests%7 == 0 {
		s.refused++
		return nil, false
	}
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	for _, c := range contacts {
		s.seen[c.Email]++
		id := number(c.Email)
		switch {
		case !strings.Contains(c.Email, "@"):
			replies = append(replies, Reply{Status: http.StatusUnprocessableEntity, Reason: fmt.Sprintf("%q is not an email address", c.Email)})
		case id%100 == 0 && s.seen[c.Email] == 1:
			replies = append(replies, Reply{Status: http.StatusServiceUnavailable, Reason: "busy"})
		default:
			replies = append(replies, Reply{Status: http.StatusCreated, ID: id})
		}
	}
	return replies, true
}

// number derives an ID from the address.
func number(email string) int64 {
	h := fnv.New32a()
	h.Write([]byte(email))
	return int64(h.Sum32())
}

func (s *server) once() int  { return s.times(1) }
func (s *server) twice() int { return s.times(2) }

func (s *server) times(n int) (contacts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, times := range s.seen {
		if times == n {
			contacts++
		}
	}
	return contacts
}

func (s *server) throttled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused > 0
}
