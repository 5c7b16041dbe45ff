package sample

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"time"
)

// created is when all of the set was made.
var created = time.Date(2024, time.January, 2, 3, 4, 5, 0, time.UTC)

// layer makes a gzip'd tar with one file of size pseudo-random bytes, and the tar itself for its diff_id.
func layer(name string, size int) (compressed, plain []byte, err error) {
	file := make([]byte, size)
	// ChaCha8's output is part of Go's compatibility promise.
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(file)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	err = w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "opt/" + name + "/data", Mode: 0o644, Size: int64(size), ModTime: created, Format: tar.FormatUSTAR,
	})
	if err == nil {
		_, err = w.Write(file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, nil, err
	}
	return storedGzip(archive.Bytes()), archive.Bytes(), nil
}

// storedGzip wraps data in gzip (RFC 1952) with stored blocks (RFC 1951, 3.2.4). compress/gzip may change its output
// with any Go release; the set's digests must not.
func storedGzip(data []byte) []byte {
	const (
		maxBlock  = 1<<16 - 1
		unknownOS = 255
	)
	out := append(make([]byte, 0, len(data)+len(data)/maxBlock*5+32), 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, unknownOS)
	for rest := data; ; {
		n := min(len(rest), maxBlock)
		final := byte(0)
		if n == len(rest) {
			final = 1
		}
		out = append(out, final)
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
		out = binary.LittleEndian.AppendUint16(out, ^uint16(n))
		out = append(out, rest[:n]...)
		if rest = rest[n:]; final == 1 {
			break
		}
	}
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}
