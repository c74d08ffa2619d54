import dataclasses,enum,sys,collections,time
L="/tmp/wt/anal/tests/logs/tf_released_models_5_folds.log"
n=collections.Counter(); spent=collections.Counter(); names=[]
o=dataclasses._process_class
def p(cls,*a,**k):
    t=time.perf_counter(); r=o(cls,*a,**k); spent["dataclass"]+=time.perf_counter()-t; n["dataclass"]+=1; names.append(cls.__module__+"."+cls.__name__); return r
dataclasses._process_class=p
m=enum.EnumMeta.__new__
def q(*a,**k):
    t=time.perf_counter(); r=m(*a,**k); spent["enum"]+=time.perf_counter()-t; n["enum"]+=1; names.append("E "+a[1]); return r
enum.EnumMeta.__new__=q
import re
c=re._compiler.compile
def rc(*a,**k):
    t=time.perf_counter(); r=c(*a,**k); spent["re"]+=time.perf_counter()-t; n["re"]+=1; return r
re._compiler.compile=rc
sys.argv=["foldwatch","analyze",L,"--json"]
import contextlib,io
with contextlib.redirect_stdout(io.StringIO()):
    from foldwatch import main as fm
    f=getattr(fm,"main",fm); f()
print({k:(n[k],round(spent[k]*1e3,1)) for k in n}, len(sys.modules)); print(sorted(names))
