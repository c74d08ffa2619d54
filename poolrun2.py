import subprocess,os,json,statistics,sys
P="/work/main/.venv/bin/python"; d="/tmp/wt/anal"; path,n=sys.argv[1],int(sys.argv[2]); r={"own":[],"pool":[]}; bad=0
for i in range(n):
    for h in (("own","pool") if i%2 else ("pool","own")):
        p=subprocess.run([P,"/tmp/anal/pool.py",h,path],env={**os.environ,"PYTHONPATH":d},capture_output=True,text=True)
        if p.returncode: bad+=1; continue
        o=json.loads(p.stdout); r[h].append((o[1],o[2]))
print(path,{h:("n %d median %.0f p25 %.0f min %.0f ms"%(len(v),statistics.median(x[0] for x in v),sorted(x[0] for x in v)[len(v)//4],min(x[0] for x in v)),{x[1] for x in v}) for h,v in r.items()},"ended by a signal:",bad)
