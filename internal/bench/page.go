package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmapweb"
	"github.com/go-dmap/dmap/internal/usage"
	"github.com/go-dmap/dmap/source"
)

// What showPage measures with.
const (
	pageStreams = 10
	pageSeconds = 10
	pageRounds  = 3
	readersName = "page/readers" // a process that reads streams
)

// pageCase is a run that showPage measures.
type pageCase struct {
	name    string
	failing bool // 100,000 failures of 5,000 kinds, otherwise a failure in 1,000 items
	page    bool
	streams int
}

// showPage prints what the page costs a run: the CPU of processes with and without it, and the
// largest message. The calls of the run sleep, so that its own CPU does not hide that of the page.
func showPage(ctx context.Context, w io.Writer) error {
	cases := []pageCase{
		{name: "no page"}, {name: "page, no reader", page: true}, {name: fmt.Sprintf("page, %d streams", pageStreams), page: true, streams: pageStreams},
		{name: "5,000 kinds of failures, no page", failing: true},
		{name: fmt.Sprintf("5,000 kinds of failures, page, %d streams", pageStreams), failing: true, page: true, streams: pageStreams},
	}
	fmt.Fprintf(w, "a run of 1,000 calls of 1 s at once, for %d s; CPU of its process, median of %d rounds\n", pageSeconds, pageRounds)
	fmt.Fprintf(w, "  %-50s %16s %10s %18s\n", "", "ms CPU a second", "messages", "largest, bytes")
	cpu := map[string][]float64{}
	read := map[string]pageRead{}
	for range pageRounds {
		for _, c := range cases {
			ms, got, err := measurePage(ctx, c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			cpu[c.name] = append(cpu[c.name], ms)
			got.Largest = max(got.Largest, read[c.name].Largest)
			read[c.name] = got
		}
	}
	median := func(name string) float64 {
		slices.Sort(cpu[name])
		return cpu[name][len(cpu[name])/2]
	}
	for _, c := range cases {
		fmt.Fprintf(w, "  %-50s %16.1f %10d %18d\n", c.name, median(c.name), read[c.name].Messages, read[c.name].Largest)
	}
	for _, pair := range [][2]int{{0, 2}, {3, 4}} {
		with, without := median(cases[pair[1]].name), median(cases[pair[0]].name)
		fmt.Fprintf(w, "%s costs %.1f ms of CPU a second: %.2f %% of a run that keeps one core busy\n",
			cases[pair[1]].name, with-without, (with-without)/10)
	}
	return nil
}

// measurePage returns the ms of CPU that a second of a run takes, and what readers have read.
func measurePage(ctx context.Context, c pageCase) (ms float64, read pageRead, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	page, err := dmapweb.New(dmapweb.Options{})
	if err != nil {
		return 0, read, err
	}
	defer page.Close()
	server := httptest.NewServer(page)
	defer server.Close()
	opts := dmap.Options{RunID: "run", MaxConcurrency: 1000, Tolerance: dmap.Tolerance{Percentage: 100}}
	if c.page {
		opts.Observer = page.Observer()
	}
	run, err := dmap.Start(ctx, source.Slice(make([]struct{}, 10_000_000)), func(ctx context.Context, _ struct{}) (struct{}, error) {
		info, _ := dmap.InfoFrom(ctx)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
		if c.failing {
			return struct{}{}, fmt.Errorf("kind %c%c%c: no rate for year %d", 'a'+info.Index%17, 'a'+info.Index/17%17, 'a'+info.Index/289%17, info.Index)
		}
		if info.Index%1000 == 0 {
			return struct{}{}, fmt.Errorf("no rate for year %d", info.Index)
		}
		return struct{}{}, nil
	}, opts)
	if err != nil {
		return 0, read, err
	}
	defer func() {
		cancel(errors.New("measured"))
		<-run.Done()
	}()
	readers, err := startReaders(ctx, server.URL+"/api/runs/run/events", c.streams)
	if err != nil {
		return 0, read, err
	}
	if err := sleepFor(ctx, 2*time.Second); err != nil {
		return 0, read, err
	}
	before := usage.Now()
	if err := sleepFor(ctx, pageSeconds*time.Second); err != nil {
		return 0, read, err
	}
	ms = float64((usage.Now().CPU - before.CPU).Milliseconds()) / pageSeconds
	read, err = readers()
	return ms, read, err
}

func sleepFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pageRead is what a process of readers prints.
type pageRead struct{ Messages, Largest int }

// startReaders starts a process that reads n streams. The function that it returns ends it.
func startReaders(ctx context.Context, url string, n int) (end func() (pageRead, error), err error) {
	if n == 0 {
		return func() (pageRead, error) { return pageRead{}, nil }, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-child", url, readersName)
	cmd.Stderr = os.Stderr
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() (read pageRead, err error) {
		_ = life.Close()
		if err := cmd.Wait(); err != nil {
			return read, err
		}
		return read, json.Unmarshal(out.Bytes(), &read)
	}, nil
}

// readStreams reads streams until r ends, and prints the number of messages and bytes.
func readStreams(ctx context.Context, w io.Writer, r io.Reader, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, r)
		cancel()
	}()
	reads := make([]pageRead, pageStreams)
	group, ctx := errgroup.WithContext(ctx)
	for i := range reads {
		group.Go(func() error { return readStream(ctx, url, &reads[i]) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var all pageRead
	for _, one := range reads {
		all.Messages += one.Messages
		all.Largest = max(all.Largest, one.Largest)
	}
	return json.NewEncoder(w).Encode(all)
}

func readStream(ctx context.Context, url string, read *pageRead) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // its end was asked for
			}
			return err
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			read.Messages++
			read.Largest = max(read.Largest, len(data)-1)
		}
	}
}
