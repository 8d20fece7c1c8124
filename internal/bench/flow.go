package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/go-dmap/dmap/dmap"
	"github.com/go-dmap/dmap/dmap/dmaphttp"
	"github.com/go-dmap/dmap/source"
	"github.com/go-dmap/dmap/source/cloud/s3"
)

// showFlow prints what runs do against servers that throttle: "flow" all, or a part of it. All is
// in real time, over HTTP, and takes ten minutes.
func showFlow(ctx context.Context, w io.Writer, name string) error {
	switch name {
	case "flow":
		return errors.Join(showAPI(ctx, w), showSlowDown(ctx, w))
	case "flow/http":
		return showAPI(ctx, w)
	case "flow/s3":
		return showSlowDown(ctx, w)
	}
	return fmt.Errorf("%q: want flow, flow/http or flow/s3", name)
}

func showAPI(ctx context.Context, w io.Writer) error {
	if err := showFifty(ctx, w); err != nil {
		return err
	}
	for _, after := range []string{"", "1"} {
		if err := showFiveHundred(ctx, w, after); err != nil {
			return err
		}
	}
	return nil
}

// caller returns a function that makes a request.
func caller(address string, most int) (call func(ctx context.Context, i int) (int, error), done func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: most}
	client := &http.Client{Transport: transport}
	return func(ctx context.Context, _ int) (int, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return 0, err
		}
		response, err := client.Do(request)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		return response.StatusCode, dmaphttp.Error(response)
	}, transport.CloseIdleConnections
}

// showFifty has 400 items called at a server that allows 50 requests a second.
func showFifty(ctx context.Context, w io.Writer) error {
	const items, most = 400, 20
	fmt.Fprintf(w, "%d items, %d at once, 5 attempts; the server allows 50 requests a second (burst 5) and says Retry-After: 1\n", items, most)
	fmt.Fprintf(w, "  %-52s %7s %7s %9s  %s\n", "", "calls", "429s", "seconds", "result")
	retry := dmap.Retry{MaxAttempts: 5}
	counted := retry
	counted.ThrottledFor = -1
	for _, c := range []struct {
		name    string
		options dmap.Options
	}{
		{"no flow control (NoAdapt, ThrottledFor: -1)", dmap.Options{Retry: counted, NoAdapt: true}},
		{"Rate{Calls: 50}, all else by default", dmap.Options{Rate: dmap.Rate{Calls: 50}}},
		{"no Rate: the adaptive limit only", dmap.Options{Retry: retry}},
		{"by hand: errgroup, x/time/rate", dmap.Options{}},
	} {
		server := newLimitedServer(50, 5, 10*time.Millisecond, "1")
		listening := httptest.NewServer(server)
		call, closeIdle := caller(listening.URL, most)
		began := time.Now()
		var err error
		if c.name[:2] == "by" {
			err = limitedByHand(ctx, items, most, call)
		} else {
			c.options.MaxConcurrency = most
			_, err = dmap.Map(ctx, source.Slice(make([]int, items)), call, c.options)
		}
		result := "succeeded"
		if err != nil {
			result = "FAILED"
		}
		requests, throttled := server.counts()
		fmt.Fprintf(w, "  %-52s %7d %7d %9.1f  %s\n", c.name, requests, throttled, time.Since(began).Seconds(), result)
		closeIdle()
		listening.Close()
	}
	return ctx.Err()
}

// limitedByHand limits calls as a program without dmap does.
func limitedByHand(ctx context.Context, items, most int, call func(context.Context, int) (int, error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(most)
	limiter := rate.NewLimiter(50, 1)
	for i := range items {
		group.Go(func() error {
			if err := limiter.Wait(ctx); err != nil {
				return err
			}
			_, err := call(ctx, i)
			return err
		})
	}
	return group.Wait()
}

// span is a part of a run.
type span struct {
	perSecond float64 // accepted requests
	throttled float64 // percent of all
}

// watchServer observes a server for some time.
func watchServer(ctx context.Context, server *limitedServer, d time.Duration) span {
	requests, throttled := server.counts()
	began := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	took := time.Since(began).Seconds()
	r, t := server.counts()
	r, t = r-requests, t-throttled
	return span{float64(r-t) / took, 100 * float64(t) / float64(max(1, r))}
}

// recovery waits until the server accepts 90 % of its rate over a second, and returns how long that
// takes and how many requests were throttled meanwhile.
func recovery(ctx context.Context, server *limitedServer, perSecond float64) (seconds int, throttledPercent float64) {
	server.setRate(perSecond)
	requests, throttled := server.counts()
	for seconds = 1; seconds < 120 && ctx.Err() == nil; seconds++ {
		if watchServer(ctx, server, time.Second).perSecond >= 0.9*perSecond {
			break
		}
	}
	r, t := server.counts()
	return seconds, 100 * float64(t-throttled) / float64(max(1, r-requests))
}

const (
	warmUp  = 15 * time.Second
	watched = 60 * time.Second
)

// showFiveHundred compares the adaptive limit with fixed ones.
func showFiveHundred(ctx context.Context, w io.Writer, after string) error {
	says := "no Retry-After"
	if after != "" {
		says = "Retry-After: " + after
	}
	fmt.Fprintf(w, "\na server that allows 500 requests a second (burst 50) of 20 ms, %s\n", says)
	fmt.Fprintf(w, "  %-36s %14s %14s\n", "", "succeeded/s", "throttled %")
	best := 0.
	for _, most := range []int{6, 8, 10, 11, 12, 16, 32} {
		s, err := atFixed(ctx, after, most)
		if err != nil {
			return err
		}
		best = max(best, s.perSecond)
		fmt.Fprintf(w, "  %-36s %14.0f %14.1f\n", fmt.Sprintf("%d at once, by hand", most), s.perSecond, s.throttled)
	}
	server := newLimitedServer(500, 50, 20*time.Millisecond, after)
	listening := httptest.NewServer(server)
	defer listening.Close()
	call, closeIdle := caller(listening.URL, 100)
	defer closeIdle()
	run, err := dmap.Start(ctx, source.Slice(make([]int, 1_000_000)), call, dmap.Options{MaxConcurrency: 100})
	if err != nil {
		return err
	}
	warm := watchServer(ctx, server, warmUp)
	s := watchServer(ctx, server, watched)
	stats := run.Stats()
	fmt.Fprintf(w, "  %-36s %14.0f %14.1f\n", fmt.Sprintf("adaptive, the first %v", warmUp), warm.perSecond, warm.throttled)
	fmt.Fprintf(w, "  %-36s %14.0f %14.1f   %.2fx the best fixed one; limit %d of 100, %.0f calls/s\n",
		fmt.Sprintf("adaptive, the next %v", watched), s.perSecond, s.throttled, s.perSecond/best, stats.AdaptedLimit, stats.AdaptedRate)
	for _, to := range []float64{250, 500, 1000} {
		seconds, percent := recovery(ctx, server, to)
		fmt.Fprintf(w, "  the limit changes to %4.0f: 90 %% of it after %d s, %.1f %% throttled meanwhile\n", to, seconds, percent)
		watchServer(ctx, server, 10*time.Second)
	}
	run.Cancel(nil)
	_, _ = run.Wait()
	return ctx.Err()
}

// atFixed measures workers without any control, which wait as they are asked.
func atFixed(ctx context.Context, after string, most int) (span, error) {
	server := newLimitedServer(500, 50, 20*time.Millisecond, after)
	listening := httptest.NewServer(server)
	defer listening.Close()
	call, closeIdle := caller(listening.URL, most)
	defer closeIdle()
	var over atomic.Bool
	var group errgroup.Group
	for range most {
		group.Go(func() error {
			for !over.Load() {
				_, err := call(ctx, 0)
				switch {
				case err != nil && !dmap.IsThrottled(err):
					return err
				case err != nil && after != "":
					time.Sleep(time.Second)
				case err != nil:
					time.Sleep(100 * time.Millisecond)
				}
			}
			return nil
		})
	}
	watchServer(ctx, server, 2*time.Second)
	s := watchServer(ctx, server, 6*time.Second)
	over.Store(true)
	return s, group.Wait()
}

// showSlowDown lists and reads objects of an S3 protocol server that throttles both, by limits of
// their own.
func showSlowDown(ctx context.Context, w io.Writer) error {
	const keys, lists, gets = 1_000_000, 20, 500
	store := newLimitedStore(numberedKeys(keys), lists, gets)
	listening := httptest.NewServer(store)
	defer listening.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	query := url.Values{
		"region": {"us-east-1"}, "endpoint": {listening.URL}, "hostname_immutable": {"true"}, "use_path_style": {"true"},
		"response_checksum_validation": {"when_required"},
	}
	address := "s3://bucket?" + query.Encode()
	bucket, err := s3.OpenBucket(ctx, address, s3.Options{Calls: 100})
	if err != nil {
		return err
	}
	defer bucket.Close()
	fmt.Fprintf(w, "\nan S3 server that answers 503 SlowDown above %d listings and %d reads a second; 100 calls, 32 listers\n", lists, gets)
	fmt.Fprintf(w, "  %-36s %14s %14s\n", "", "succeeded/s", "throttled %")
	best, err := bestFixedReads(ctx, w, store, address)
	if err != nil {
		return err
	}
	objects := source.Objects(bucket, "data/", source.ObjectsOptions{Store: s3.Store()})
	run, err := dmap.Start(ctx, objects, func(ctx context.Context, o source.Object) (int, error) {
		data, err := o.ReadAll(ctx)
		return len(data), err
	}, dmap.Options{MaxConcurrency: 100})
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		d    time.Duration
	}{{"the first", warmUp}, {"the next", watched}} {
		s := watchServer(ctx, store.get, part.d)
		fmt.Fprintf(w, "  %-36s %14.0f %14.1f   %.2fx the best fixed one\n", fmt.Sprintf("reads, %s %v", part.name, part.d), s.perSecond, s.throttled, s.perSecond/best)
	}
	for _, to := range []float64{250, 500} {
		seconds, percent := recovery(ctx, store.get, to)
		fmt.Fprintf(w, "  the limit of reads changes to %4.0f: 90 %% of it after %d s, %.1f %% throttled meanwhile\n", to, seconds, percent)
		watchServer(ctx, store.get, 10*time.Second)
	}
	run.Cancel(nil)
	stats, _ := run.Wait()
	fmt.Fprintf(w, "  the run: %d read, %d failed, %d calls throttled, %d requests of the listing throttled\n",
		stats.Read, stats.Failed, stats.Throttled, stats.SourceThrottled)
	return listAlone(ctx, w, store, objects)
}

// bestFixedReads reads objects of known keys with the plain driver and fixed numbers of workers. It
// returns the most successful reads a second. The SDK makes up to three attempts of a throttled
// request, and the worker waits before it tries again after that.
func bestFixedReads(ctx context.Context, w io.Writer, store *limitedStore, address string) (best float64, err error) {
	for _, most := range []int{6, 8, 10, 11, 12, 14, 16, 32} {
		s, err := atFixedReads(ctx, store, address, most)
		if err != nil {
			return 0, err
		}
		best = max(best, s.perSecond)
		fmt.Fprintf(w, "  %-36s %14.0f %14.1f\n", fmt.Sprintf("reads, %d at once, by hand", most), s.perSecond, s.throttled)
	}
	return best, nil
}

func atFixedReads(ctx context.Context, store *limitedStore, address string, most int) (span, error) {
	bucket, err := blob.OpenBucket(ctx, address)
	if err != nil {
		return span{}, err
	}
	defer bucket.Close()
	var next atomic.Int64
	var over atomic.Bool
	var group errgroup.Group
	for range most {
		group.Go(func() error {
			for !over.Load() {
				n := next.Add(1)
				_, err := bucket.ReadAll(ctx, fmt.Sprintf("data/%04d/object-%03d", n/1000, n%1000))
				switch {
				case err != nil && !dmap.IsThrottled(err):
					return err
				case err != nil:
					time.Sleep(100 * time.Millisecond)
				}
			}
			return nil
		})
	}
	watchServer(ctx, store.get, 2*time.Second)
	s := watchServer(ctx, store.get, 6*time.Second)
	over.Store(true)
	return s, group.Wait()
}

// listAlone lists all keys, and reads none, so that the listing is the bound.
func listAlone(ctx context.Context, w io.Writer, store *limitedStore, objects dmap.Source[source.Object]) error {
	run, err := dmap.Start(ctx, objects, func(context.Context, source.Object) (int, error) { return 0, nil }, dmap.Options{MaxConcurrency: 100})
	if err != nil {
		return err
	}
	began := time.Now()
	show := func(name string, s span) {
		fmt.Fprintf(w, "  %-36s %14.1f %14.1f\n", name, s.perSecond, s.throttled)
	}
	show(fmt.Sprintf("pages, the first %v", warmUp), watchServer(ctx, store.list, warmUp))
	requests, throttled := store.list.counts()
	later := time.Now()
	stats, err := run.Wait()
	if err != nil {
		return err
	}
	r, t := store.list.counts()
	r, t = r-requests, t-throttled
	show("pages, until the listing's end", span{float64(r-t) / time.Since(later).Seconds(), 100 * float64(t) / float64(max(1, r))})
	fmt.Fprintf(w, "  listing alone: %d keys in %.1f s\n", stats.Read, time.Since(began).Seconds())
	return ctx.Err()
}
