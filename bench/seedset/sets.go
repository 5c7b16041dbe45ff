package main

import (
	"fmt"
	"slices"
)

const (
	kB = 1000
	mB = 1000 * kB
)

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

var platforms = []platform{{"linux", "amd64", ""}, {"linux", "arm64", ""}, {"linux", "arm", "v7"}}

// image is a tag to be made: one manifest, or an index where it has several platforms.
type image struct {
	repository, tag string
	docker          bool // Docker's media types, else OCI's
	platforms       []platformLayers
}

type platformLayers struct {
	platform platform
	layers   []*layer
}

// layers makes each layer once, so that images share them.
type layers map[string]*layer

// get returns the layer of a seed; its size is drawn from [low, high) by the seed alone.
func (ls layers) get(seed string, low, high int64) *layer {
	if l, ok := ls[seed]; ok {
		return l
	}
	size := low
	if high > low {
		size += randomOf("size:" + seed).Int64N(high - low)
	}
	l := &layer{seed: seed, size: size}
	ls[seed] = l
	return l
}

func imagesOf(set string, revision int) ([]image, error) {
	revisions := map[string]int{"S0": 1, "S1": 2, "S2": 1, "S3": 0, "S4": 0}
	last, known := revisions[set]
	if !known || revision < 0 || revision > last {
		return nil, fmt.Errorf("no set %s of revision %d", set, revision)
	}
	switch set {
	case "S0":
		return smallSet(revision), nil
	case "S1":
		return sharedBases(revision), nil
	case "S2":
		return manyTags(revision), nil
	case "S4":
		return skewedBases(), nil
	default:
		return largeLayers(), nil
	}
}

// suffix makes a layer's seed another one in revision 1, for the images that change there.
func suffix(revision int, changes bool) string {
	if revision == 1 && changes {
		return "-r1"
	}
	return ""
}

// smallSet is S0: four images on one base, one of them for three platforms.
func smallSet(revision int) []image {
	made := layers{}
	var images []image
	for i := range 4 {
		im := image{repository: fmt.Sprintf("small%d", i), tag: "1.0", docker: i%2 == 0}
		count := 1
		if i == 3 {
			count = len(platforms)
		}
		for p := range count {
			im.platforms = append(im.platforms, platformLayers{platforms[p], []*layer{
				made.get("small-base", 300*kB, 300*kB),
				made.get(fmt.Sprintf("small-own%d-%d%s", i, p, suffix(revision, i == 3)), 10*kB, 100*kB),
			}})
		}
		images = append(images, im)
	}
	return images
}

// sharedBases is S1: applications on six bases and twenty middle layers, each with two of its own.
func sharedBases(revision int) []image {
	made := layers{}
	random := randomOf("pick S1")
	bases := []int64{5 * mB, 8 * mB, 11 * mB, 14 * mB, 17 * mB, 20 * mB}
	total := 40
	if revision == 2 {
		total = 43
	}
	var images []image
	for i := range total {
		im := image{repository: fmt.Sprintf("app%02d", i), tag: fmt.Sprintf("1.%d.0", i), docker: i%2 == 0}
		changed := suffix(revision, slices.Contains([]int{17, 21, 28}, i))
		count := 1
		if i%10 < 3 {
			count = len(platforms)
		}
		base, middle := random.IntN(len(bases)), random.IntN(20)
		for p := range count {
			b := (base + p) % len(bases)
			stack := []*layer{made.get(fmt.Sprintf("base%d", b), bases[b], bases[b])}
			if i%2 == 1 || p > 0 {
				stack = append(stack, made.get(fmt.Sprintf("mid%d", (middle+p)%20), 1*mB, 3*mB))
			}
			for own := range 2 {
				stack = append(stack, made.get(fmt.Sprintf("own%d-%d-%d%s", i, p, own, changed), 200*kB, 4*mB))
			}
			im.platforms = append(im.platforms, platformLayers{platforms[p], stack})
		}
		images = append(images, im)
	}
	return images
}

// manyTags is S2: fifteen tags in each of twenty repositories, of small layers.
func manyTags(revision int) []image {
	made := layers{}
	random := randomOf("pick S2")
	var images []image
	for i := range 300 {
		repository, tag := i/15, i%15
		im := image{repository: fmt.Sprintf("svc%02d", repository), tag: fmt.Sprintf("1.%d.0", tag), docker: repository%2 == 0}
		count := 1
		if tag%5 == 0 {
			count = 2
		}
		for p := range count {
			var stack []*layer
			for g := range 3 {
				stack = append(stack, made.get(fmt.Sprintf("g%d-%d", (random.IntN(3)+g*3)%10, p), 2*kB, 50*kB))
			}
			for g := range 3 {
				stack = append(stack, made.get(fmt.Sprintf("r%d-%d-%d", repository, random.IntN(4)+g*4, p), 2*kB, 50*kB))
			}
			stack = append(stack, made.get(fmt.Sprintf("t%d-%d%s", i, p, suffix(revision, i%50 == 7)), 2*kB, 10*kB))
			im.platforms = append(im.platforms, platformLayers{platforms[p], stack})
		}
		images = append(images, im)
	}
	return images
}

// largeLayers is S3.
func largeLayers() []image {
	made := layers{}
	var wide []*layer
	for i := range 20 {
		wide = append(wide, made.get(fmt.Sprintf("wide%d", i), 100*mB, 100*mB))
	}
	huge := []*layer{made.get("huge", 1500*mB, 1500*mB)}
	return []image{
		{repository: "huge", tag: "1.0.0", platforms: []platformLayers{{platforms[0], huge}}},
		{repository: "wide", tag: "1.0.0", docker: true, platforms: []platformLayers{{platforms[0], wide}}},
	}
}

// skewedBases is S4: four tags in each of 250 repositories, on forty bases of which few have most of the repositories. Later tags of a
// repository are on another base, as after a rebuild.
func skewedBases() []image {
	made := layers{}
	random := randomOf("pick S4")
	var images []image
	for repository := range 250 {
		drawn := random.Float64()
		base := int(40 * drawn * drawn)
		for tag := range 4 {
			images = append(images, image{
				repository: fmt.Sprintf("team%03d/app", repository), tag: fmt.Sprintf("1.%d.0", tag), docker: repository%2 == 0,
				platforms: []platformLayers{{platforms[0], []*layer{
					made.get(fmt.Sprintf("skewed%d", (base+tag/2)%40), 1100*kB, 2000*kB),
					made.get(fmt.Sprintf("skewed-common%d", repository), 50*kB, 350*kB),
					made.get(fmt.Sprintf("skewed-own%d-%d", repository, tag), 10*kB, 50*kB),
				}}},
			})
		}
	}
	return images
}
