package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

const minRSABits = 2048

// trust is what one name of the policy stands for.
type trust struct {
	instances root.TrustedMaterialCollection
	quick     root.TrustedMaterial // the same
	keys      []trustedKey
}

func readTrust(m material) (*trust, error) {
	t := &trust{}
	for _, file := range m.Roots {
		roots, err := readRoots(file)
		if err != nil {
			return nil, fmt.Errorf("trusted root: %w", err)
		}
		t.instances = append(t.instances, roots...)
	}
	for _, file := range m.Keys {
		keys, err := readKeys(file)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		t.keys = append(t.keys, keys...)
	}
	if len(t.instances) == 0 && len(t.keys) == 0 {
		return nil, errors.New("there is neither a trusted root nor a key")
	}
	t.quick = quickly(t.instances)
	return t, nil
}

// readRoots reads a trusted root, or one after the other as `gh attestation trusted-root` prints them.
func readRoots(file []byte) (all root.TrustedMaterialCollection, err error) {
	decoder := json.NewDecoder(bytes.NewReader(file))
	for {
		var one json.RawMessage
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		parsed, err := root.NewTrustedRootFromJSON(one)
		if err != nil {
			return nil, err
		}
		all = append(all, parsed)
	}
	if len(all) == 0 {
		return nil, errors.New("there is none in it")
	}
	return all, nil
}

// trustedKey is a public key, with each way in which signatures of it are made.
type trustedKey struct {
	id        string // SHA-256 of its DER
	verifiers []signature.Verifier
}

func readKeys(file []byte) (keys []trustedKey, err error) {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			break
		}
		if block.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("is a %s in PEM, and no PUBLIC KEY", block.Type)
		}
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, err := newKey(public, block.Bytes)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no public key in PEM")
	}
	return keys, nil
}

func newKey(public crypto.PublicKey, der []byte) (trustedKey, error) {
	sum := sha256.Sum256(der)
	key := trustedKey{id: "sha256:" + hex.EncodeToString(sum[:])}
	add := func(opts ...signature.LoadOption) error {
		v, err := signature.LoadVerifierWithOpts(public, opts...)
		key.verifiers = append(key.verifiers, v)
		return err
	}
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		hashes := map[elliptic.Curve]crypto.Hash{elliptic.P256(): crypto.SHA256, elliptic.P384(): crypto.SHA384, elliptic.P521(): crypto.SHA512}
		hash, known := hashes[k.Curve]
		if !known {
			return key, fmt.Errorf("the curve %s is not among P-256, P-384 and P-521", k.Curve.Params().Name)
		}
		if err := add(options.WithHash(hash)); err != nil || hash == crypto.SHA256 {
			return key, err
		}
		return key, add(options.WithHash(crypto.SHA256)) // as cosign has long signed with any curve
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSABits {
			return key, fmt.Errorf("an RSA key of %d bits is too short: at least %d are wanted", k.N.BitLen(), minRSABits)
		}
		return key, add(options.WithHash(crypto.SHA256))
	case ed25519.PublicKey:
		return key, errors.Join(add(), add(options.WithED25519ph()))
	}
	return key, fmt.Errorf("%T is neither ECDSA nor RSA nor Ed25519", public)
}

// oneKey trusts a single key, whatever hint a signature gives.
type oneKey struct {
	root.TrustedMaterialCollection
	key signature.Verifier
}

func (o oneKey) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return root.NewExpiringKey(o.key, time.Time{}, time.Time{}), nil
}
