package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// requests are those that a server has had, by the name of their operation.
type requests map[string]float64

// Metrics of the server, with the label of the service that serves clients.
const (
	requestsMetric = "service_requests{"
	clientsService = `service_name="frontend"`
)

// read reads the numbers of requests of clients from the metrics of the server.
func (s *server) requests(ctx context.Context) (requests, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	out := requests{}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := out.add(lines.Text()); err != nil {
			return nil, err
		}
	}
	return out, lines.Err()
}

// add adds a line of the metrics, if it counts requests of clients.
func (r requests) add(line string) error {
	if !strings.HasPrefix(line, requestsMetric) || !strings.Contains(line, clientsService) {
		return nil
	}
	labels, number, _ := strings.Cut(line, "} ")
	_, operation, _ := strings.Cut(labels, `operation="`)
	operation, _, _ = strings.Cut(operation, `"`)
	n, err := strconv.ParseFloat(number, 64)
	r[operation] += n
	return err
}

// since are the requests after before.
func (r requests) since(before requests) requests {
	out := requests{}
	for operation, n := range r {
		if n > before[operation] {
			out[operation] = n - before[operation]
		}
	}
	return out
}

// each lists the operations, the most frequent first, with their requests for one of n leases.
func (r requests) each(n int) string {
	type count struct {
		operation string
		n         float64
	}
	var counts []count
	for operation, n := range r {
		counts = append(counts, count{operation, n})
	}
	slices.SortFunc(counts, func(a, b count) int {
		if a.n != b.n {
			return int(b.n - a.n)
		}
		return strings.Compare(a.operation, b.operation)
	})
	texts := make([]string, len(counts))
	for i, c := range counts {
		texts[i] = fmt.Sprintf("%s %.2f", c.operation, c.n/float64(n))
	}
	return strings.Join(texts, ", ")
}
