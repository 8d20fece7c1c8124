package dmaptest

import (
	"context"
	"errors"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// store is a FaultBucket as gocloud's drivers see it: it turns each call of a driver into one of
// the bucket below.
type store struct {
	inner  *blob.Bucket
	faults *FaultBucket
}

// defaultPage is the page size where the caller leaves it to the driver; those of gocloud use the
// same.
const defaultPage = 1000

func (s *store) ErrorCode(err error) gcerrors.ErrorCode {
	if in, ok := errors.AsType[*InjectedError](err); ok {
		return in.Fault.Code
	}
	return gcerrors.Code(err)
}

func (s *store) As(i any) bool { return s.inner.As(i) }

func (s *store) ErrorAs(err error, i any) bool { return s.inner.ErrorAs(err, i) }

// Close leaves the bucket below open.
func (s *store) Close() error { return nil }

// call runs do as one operation, and injects the faults for it before and after.
func (s *store) call(ctx context.Context, op Op, key string, do func() error) error {
	fault := s.faults.begin(op, key)
	err := fault.before(ctx)
	if err == nil {
		err = fault.after(do())
	}
	s.faults.end(op, key, 0, err)
	return err
}

func (s *store) Attributes(ctx context.Context, key string) (attrs *driver.Attributes, err error) {
	err = s.call(ctx, OpAttributes, key, func() error {
		a, err := s.inner.Attributes(ctx, key)
		if err != nil {
			return err
		}
		attrs = &driver.Attributes{
			CacheControl:       a.CacheControl,
			ContentDisposition: a.ContentDisposition,
			ContentEncoding:    a.ContentEncoding,
			ContentLanguage:    a.ContentLanguage,
			ContentType:        a.ContentType,
			Metadata:           a.Metadata,
			CreateTime:         a.CreateTime,
			ModTime:            a.ModTime,
			Size:               a.Size,
			MD5:                a.MD5,
			ETag:               a.ETag,
			AsFunc:             a.As,
		}
		return nil
	})
	return attrs, err
}

func (s *store) ListPaged(ctx context.Context, opts *driver.ListOptions) (page *driver.ListPage, err error) {
	token, size := opts.PageToken, opts.PageSize
	if len(token) == 0 {
		token = blob.FirstPageToken
	}
	if size == 0 {
		size = defaultPage
	}
	err = s.call(ctx, OpList, opts.Prefix, func() error {
		objects, next, err := s.inner.ListPage(ctx, token, size, &blob.ListOptions{
			Prefix:     opts.Prefix,
			Delimiter:  opts.Delimiter,
			BeforeList: opts.BeforeList,
		})
		if err != nil {
			return err
		}
		page = &driver.ListPage{NextPageToken: next, Objects: make([]*driver.ListObject, len(objects))}
		for i, o := range objects {
			page.Objects[i] = &driver.ListObject{
				Key:     o.Key,
				ModTime: o.ModTime,
				Size:    o.Size,
				MD5:     o.MD5,
				IsDir:   o.IsDir,
				AsFunc:  o.As,
			}
		}
		return nil
	})
	return page, err
}

func (s *store) NewRangeReader(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions) (driver.Reader, error) {
	fault := s.faults.begin(OpOpen, key)
	r, err := s.open(ctx, key, offset, length, opts, fault)
	s.faults.end(OpOpen, key, 0, err)
	if err != nil {
		return nil, err // not a nil *body in an interface
	}
	return r, nil
}

func (s *store) open(ctx context.Context, key string, offset, length int64, opts *driver.ReaderOptions, fault *InjectedError) (*body, error) {
	if err := fault.before(ctx); err != nil {
		return nil, err
	}
	r, err := s.inner.NewRangeReader(ctx, key, offset, length, &blob.ReaderOptions{BeforeRead: opts.BeforeRead})
	if err != nil {
		return nil, err
	}
	b := &body{ctx: ctx, key: key, r: r, faults: s.faults}
	if fault.shapes() {
		b.fault = fault
	}
	return b, nil
}

func (s *store) NewTypedWriter(ctx context.Context, key, contentType string, opts *driver.WriterOptions) (driver.Writer, error) {
	ctx, cancel := context.WithCancel(ctx)
	var w *blob.Writer
	fault := s.faults.begin(OpCreate, key)
	err := fault.before(ctx)
	if err == nil {
		w, err = s.inner.NewWriter(ctx, key, &blob.WriterOptions{ //nolint:forbidigo // this is a driver
			BufferSize:                  opts.BufferSize,
			MaxConcurrency:              opts.MaxConcurrency,
			CacheControl:                opts.CacheControl,
			ContentDisposition:          opts.ContentDisposition,
			ContentEncoding:             opts.ContentEncoding,
			ContentLanguage:             opts.ContentLanguage,
			ContentType:                 contentType,
			DisableContentTypeDetection: opts.DisableContentTypeDetection,
			ContentMD5:                  opts.ContentMD5,
			Metadata:                    opts.Metadata,
			BeforeWrite:                 opts.BeforeWrite,
			IfNotExist:                  opts.IfNotExist && !fault.is(Overwrite),
		})
	}
	s.faults.end(OpCreate, key, 0, err)
	if err != nil {
		cancel()
		return nil, err
	}
	return &upload{ctx: ctx, cancel: cancel, key: key, w: w, faults: s.faults}, nil
}

func (s *store) Copy(ctx context.Context, dst, src string, opts *driver.CopyOptions) error {
	return s.call(ctx, OpCopy, dst, func() error {
		return s.inner.Copy(ctx, dst, src, &blob.CopyOptions{BeforeCopy: opts.BeforeCopy}) //nolint:forbidigo // this is a driver
	})
}

func (s *store) Delete(ctx context.Context, key string, opts *driver.DeleteOptions) error {
	return s.call(ctx, OpDelete, key, func() error {
		return s.inner.DeleteWithOptions(ctx, key, &blob.DeleteOptions{BeforeDelete: opts.BeforeDelete})
	})
}

func (s *store) SignedURL(ctx context.Context, key string, opts *driver.SignedURLOptions) (string, error) {
	return s.inner.SignedURL(ctx, key, &blob.SignedURLOptions{
		Expiry:                   opts.Expiry,
		Method:                   opts.Method,
		ContentType:              opts.ContentType,
		EnforceAbsentContentType: opts.EnforceAbsentContentType,
		BeforeSign:               opts.BeforeSign,
	})
}
