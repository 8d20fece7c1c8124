// Package dmapweb shows runs on a page: those of this process while they work, and those of a
// bucket, finished, open or dead. The page is an http.Handler without files, build steps and other
// services, which works under any path:
//
//	page, err := dmapweb.New(dmapweb.Options{Bucket: bucket, Prefix: "runs/"})
//	http.Handle("/runs/", http.StripPrefix("/runs", page))
//	opts.Observer = page.Observer()
//	dmap.Map(ctx, src, fn, opts, sink.Bucket[T](bucket, "runs/"))
//
// Without Options.Authorize it changes nothing. It never delays a run: readings are taken once a
// second, and a slow reader loses messages. Who may read the page is the decision of the host:
// protect the handler as any internal page.
package dmapweb
