// Command bulkapi sends items to an HTTP API. The API accepts up to a hundred items in a request.
// It refuses some items, fails others temporarily, and throttles requests. The program sends only
// failed items again, and waits as long as the server asks for.
//
//	go run ./examples/bulkapi
//	go run ./examples/bulkapi -http localhost:8080   # a page of the run
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	"github.com/go-dmap/dmap/batch"
	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/examples/display"
	"github.com/go-dmap/dmap/sink"
	"github.com/go-dmap/dmap/source"
)

// Contact is an item to send. Reply is the answer of the server to one contact; replies are in the
// order of the request.
type (
	Contact struct {
		Email string `json:"email"`
	}
	Reply struct {
		Status int    `json:"status"` // an HTTP status code
		ID     int64  `json:"id,omitempty"`
		Reason string `json:"reason,omitempty"`
	}
)

func main() {
	address := flag.String("http", "", display.Usage)
	flag.Parse()
	show, err := display.Open(os.Stderr, *address, 0)
	if err != nil {
		log.Fatal(err)
	}
	err = run(context.Background(), os.Stdout, new(server), show.Observer)
	if err := errors.Join(err, show.Close()); err != nil {
		log.Print(err)
		os.Exit(dmap.ExitCode(err))
	}
}

func run(ctx context.Context, w io.Writer, api *server, observer *dmap.Observer) error {
	listening := httptest.NewServer(api)
	defer listening.Close()
	c := client{http: listening.Client(), url: listening.URL}

	var ids sink.Memory[int64] // or sink.Bucket[int64](bucket, "runs/")
	stats, err := dmap.MapBatch(ctx, source.Slice(contacts(2000)), batch.Limits{Items: 100}, c.send, dmap.Options{
		MaxConcurrency: 4,
		Timeout:        10 * time.Second,
		Retry:          dmap.Retry{MaxAttempts: 5, Initial: 10 * time.Millisecond},
		Tolerance:      dmap.Tolerance{Percentage: 5},
		Observer:       observer,
	}, &ids)

	for _, failure := range ids.Failed() {
		fmt.Fprintf(w, "%s: %v\n", failure.ID(), failure.Err)
	}
	fmt.Fprintf(w, "%d contacts: %d sent, %d refused\n", stats.Read, stats.Succeeded, stats.Failed)
	fmt.Fprintf(w, "the server received %d contacts once and %d twice; it throttled requests: %t\n", api.once(), api.twice(), api.throttled())
	return err
}

// client sends contacts to the API.
type client struct {
	http *http.Client
	url  string
}

// send is the mapped function. A batch.Errors fails the contacts that it names; any other error
// fails all contacts of the batch.
func (c client) send(ctx context.Context, items []dmap.Item[Contact]) ([]int64, error) {
	replies, err := c.post(ctx, items)
	if err != nil {
		return nil, err
	}
	ids, failed := make([]int64, len(items)), batch.Errors{}
	for i, reply := range replies {
		switch {
		case reply.Status < 300:
			ids[i] = reply.ID
		case reply.Status < 500: // a retry would be refused again
			failed[i] = dmap.Permanent(errors.New(reply.Reason))
		default: // only this contact is sent again
			failed[i] = errors.New(reply.Reason)
		}
	}
	return ids, failed.Err()
}

func (c client) post(ctx context.Context, items []dmap.Item[Contact]) ([]Reply, error) {
	contacts := make([]Contact, len(items))
	for i, item := range items {
		contacts[i] = item.Value
	}
	body, err := json.Marshal(contacts)
	if err != nil {
		return nil, dmap.Permanent(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, dmap.Permanent(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, requestError(response)
	}
	var replies []Reply
	if err := json.NewDecoder(response.Body).Decode(&replies); err != nil {
		return nil, fmt.Errorf("decode reply: %w", err)
	}
	if len(replies) != len(items) {
		return nil, dmap.Permanent(fmt.Errorf("%d replies to %d contacts", len(replies), len(items)))
	}
	return replies, nil
}

// requestError describes a request that failed as a whole. After throttling, the retry waits as
// long as the server asks for.
func requestError(response *http.Response) error {
	err := fmt.Errorf("server: %s", response.Status)
	switch {
	case response.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return dmap.RetryAfter(err, time.Duration(seconds)*time.Second)
	case response.StatusCode < 500:
		return dmap.Permanent(err)
	}
	return err
}

func contacts(n int) []Contact {
	list := make([]Contact, n)
	for i := range list {
		list[i].Email = fmt.Sprintf("person%d@example.org", i)
		if i%500 == 499 {
			list[i].Email = fmt.Sprintf("person%d", i) // not an address: the server refuses it
		}
	}
	return list
}
