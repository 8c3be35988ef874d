// The operations of stackless_bench on goroutines that share one processor. Prints a line for each:
// its name, and nanoseconds of process CPU an operation.
//
//	go_bench             everything but memory
//	go_bench memory      a million blocked goroutines: nanoseconds and resident bytes each
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"syscall"
	"time"
)

func processCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func residentBytes() int {
	var size, pages int
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &size, &pages)
	}
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

// since gives nanoseconds an operation.
func since(start time.Duration, operations int) float64 {
	return float64(processCPU()-start) / float64(operations)
}

var sink int

func transfer(capacity int) float64 {
	const count = 200_000
	c := make(chan int, capacity)
	go func() {
		for i := 0; i < count; i++ {
			c <- i
		}
		close(c)
	}()
	start := processCPU()
	for value := range c {
		sink += value
	}
	return since(start, count)
}

//go:noinline
func leaf(value int) int { return value }

func call() float64 {
	const count = 10_000_000
	start := processCPU()
	for i := 0; i < count; i++ {
		sink += leaf(i)
	}
	return since(start, count)
}

func spawnRun() float64 {
	const rounds, each = 2_000, 100
	start := processCPU()
	var group sync.WaitGroup
	for i := 0; i < rounds; i++ {
		group.Add(each)
		for k := 0; k < each; k++ {
			go group.Done()
		}
		group.Wait()
	}
	return since(start, rounds*each)
}

func spawnJoin() float64 {
	const count = 200_000
	done := make(chan struct{})
	start := processCPU()
	for i := 0; i < count; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
	return since(start, count)
}

func yield() float64 {
	const goroutines, each = 1_000, 1_000
	var group sync.WaitGroup
	group.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			defer group.Done()
			for k := 0; k < each; k++ {
				runtime.Gosched()
			}
		}()
	}
	start := processCPU()
	group.Wait()
	return since(start, goroutines*each)
}

const selects = 100_000

func select2() float64 {
	a, b := make(chan int, 1), make(chan int, 1)
	start := processCPU()
	for i := 0; i < selects; i++ {
		a <- 1
		select {
		case value := <-a:
			sink += value
		case value := <-b:
			sink -= value
		}
	}
	return since(start, selects)
}

func select8() float64 {
	var c [8]chan int
	for i := range c {
		c[i] = make(chan int, 1)
	}
	start := processCPU()
	for i := 0; i < selects; i++ {
		c[i%8] <- 1
		select {
		case value := <-c[0]:
			sink += value
		case value := <-c[1]:
			sink += value
		case value := <-c[2]:
			sink += value
		case value := <-c[3]:
			sink += value
		case value := <-c[4]:
			sink += value
		case value := <-c[5]:
			sink += value
		case value := <-c[6]:
			sink += value
		case value := <-c[7]:
			sink += value
		}
	}
	return since(start, selects)
}

func lockAlone() float64 {
	const count = 1_000_000
	var mutex sync.Mutex
	start := processCPU()
	for i := 0; i < count; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
	return since(start, count)
}

func lockAmong100() float64 {
	const goroutines, each = 100, 1_000
	var mutex sync.Mutex
	var group sync.WaitGroup
	group.Add(goroutines)
	start := processCPU()
	for i := 0; i < goroutines; i++ {
		go func() {
			defer group.Done()
			for k := 0; k < each; k++ {
				mutex.Lock()
				runtime.Gosched()
				mutex.Unlock()
			}
		}()
	}
	group.Wait()
	return since(start, goroutines*each)
}

func allOf10() float64 {
	const rounds = 10_000
	start := processCPU()
	for i := 0; i < rounds; i++ {
		var results [10]int
		var group sync.WaitGroup
		group.Add(len(results))
		for n := range results {
			n := n
			go func() {
				results[n] = n
				group.Done()
			}()
		}
		group.Wait()
		sink += results[9]
	}
	return since(start, rounds)
}

func cancel100k() float64 {
	const count = 100_000
	ctx, cancel := context.WithCancel(context.Background())
	var started, ended sync.WaitGroup
	started.Add(count)
	ended.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			defer ended.Done()
			timer := time.NewTimer(24 * time.Hour)
			defer timer.Stop()
			started.Done()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
		}()
	}
	started.Wait()
	runtime.Gosched()
	start := processCPU()
	cancel()
	ended.Wait()
	return since(start, count)
}

func timers1M() float64 {
	const count = 1_000_000
	var group sync.WaitGroup
	group.Add(count)
	start := processCPU()
	for i := 0; i < count; i++ {
		duration := time.Duration(i*7919%count) * time.Microsecond
		go func() {
			time.Sleep(duration)
			group.Done()
		}()
	}
	group.Wait()
	return since(start, count)
}

func memory() {
	const count = 1_000_000
	c := make(chan int)
	var group sync.WaitGroup
	group.Add(count)
	bytes := residentBytes()
	start := processCPU()
	for i := 0; i < count; i++ {
		go func() {
			group.Done()
			<-c
		}()
	}
	group.Wait()
	runtime.Gosched()
	fmt.Printf("blocked_tasklet_1M %.1f\n", since(start, count))
	fmt.Printf("blocked_tasklet_bytes %d\n", (residentBytes()-bytes)/count)
}

// measure prints the median of rounds that take 50 ms together, as ours are measured.
func measure(name string, atLeast int, round func() float64) {
	var each []float64
	start := processCPU()
	for len(each) < atLeast || processCPU()-start < 50*time.Millisecond {
		each = append(each, round())
	}
	sort.Float64s(each)
	fmt.Printf("%s %.2f\n", name, each[len(each)/2])
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) == 2 && os.Args[1] == "memory" {
		memory()
		return
	}
	if len(os.Args) > 1 {
		fmt.Fprintf(os.Stderr, "usage: %s [memory]\n", os.Args[0])
		os.Exit(2)
	}
	measure("unbuffered_message", 3, func() float64 { return transfer(0) })
	measure("buffered_message_128", 3, func() float64 { return transfer(128) })
	measure("awaited_call", 3, call)
	measure("spawn_run", 3, spawnRun)
	measure("spawn_join", 3, spawnJoin)
	measure("yield_among_1000", 3, yield)
	measure("select_2_ready", 3, select2)
	measure("select_8_ready", 3, select8)
	measure("mutex_uncontended", 3, lockAlone)
	measure("mutex_among_100", 3, lockAmong100)
	measure("when_all_of_10", 3, allOf10)
	measure("cancel_100k_sleepers", 3, cancel100k)
	measure("timers_1M", 1, timers1M)
}
